import { formatBytes } from '../../src/core/units.ts'

/** How much of some bytes is new, as a bar and in words. */
export function ShareBar({ fresh, total }: { readonly fresh: number; readonly total: number }) {
  const share = total === 0 ? 0 : Math.min(1, fresh / total)
  return (
    <span class="share">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="reused" width={100} height={8} />
        <rect class="stored" width={100 * share} height={8} />
      </svg>
      {formatBytes(fresh)} new
    </span>
  )
}
