import { formatBytes, formatSeconds, plural } from '../../src/core/units.ts'
import { formatShare } from '../format.ts'
import { rateOf, secondsLeft } from '../operation-view.ts'
import type { OperationView } from '../operation-view.ts'

/** How far an operation is: bytes, rate, time left, and the part at hand. */
export function ProgressBar({ view, label }: { readonly view: OperationView; readonly label: string }) {
  const { progress } = view
  if (!progress) return <progress aria-label={label} />
  const { done, total, current, phase } = progress
  const rate = rateOf(view)
  const left = secondsLeft(view)
  return (
    <div class="progress">
      <progress aria-label={label} max={Math.max(1, total.bytes)} value={done.bytes} />
      <p class="figures">
        <strong>{formatShare(done.bytes, total.bytes)}</strong>
        <span>
          {formatBytes(done.bytes)} of {formatBytes(total.bytes)}
        </span>
        <span>
          {done.parts} of {plural(total.parts, 'part')}
        </span>
        {rate !== undefined && <span>{formatBytes(rate)}/s</span>}
        {left !== undefined && done.bytes < total.bytes && <span>{formatSeconds(left)} left</span>}
      </p>
      <p class="current" title={current}>
        {phase}: {current || '…'}
      </p>
    </div>
  )
}
