import { formatBytes } from '../../src/core/units.ts'

export interface SizeBar {
  readonly name: string
  readonly reused: number
  readonly stored: number
}

const WIDTH = 1120
const HEIGHT = 96
const MOST_BARS = 140
/** Of a bar and the gap beside it. */
const WIDEST = 40

/** What backups would restore, and how much of that was new: one bar each, the newest at the right. */
export function SizeChart({ bars, label }: { readonly bars: readonly SizeBar[]; readonly label: string }) {
  const shown = bars.slice(-MOST_BARS)
  const top = Math.max(1, ...shown.map(({ reused, stored }) => reused + stored))
  const step = Math.min(WIDEST, WIDTH / Math.max(1, shown.length))
  return (
    <figure class="sizes">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="xMinYMax meet" role="img" aria-label={label}>
        {shown.map(({ name, reused, stored }, index) => {
          const [low, high] = [(stored / top) * HEIGHT, (reused / top) * HEIGHT]
          return (
            <g key={name}>
              <title>{`${name}: ${formatBytes(stored)} stored, ${formatBytes(reused)} reused`}</title>
              <rect class="reused" x={index * step} width={step * 0.75} y={HEIGHT - low - high} height={high} />
              <rect class="stored" x={index * step} width={step * 0.75} y={HEIGHT - low} height={Math.max(low, 0.75)} />
            </g>
          )
        })}
      </svg>
      <figcaption>
        <span class="key stored">stored</span>
        {shown.some(({ reused }) => reused > 0) && <span class="key reused">reused</span>}
        <span>the tallest bar is {formatBytes(top)}</span>
      </figcaption>
    </figure>
  )
}
