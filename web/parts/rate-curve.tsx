import { formatBytes } from '../../src/core/units.ts'

const WIDTH = 300
const HEIGHT = 48

/** The rate over time: shows a stall that an average hides. */
export function RateCurve({ rates }: { readonly rates: readonly number[] }) {
  if (rates.length < 2) return null
  const top = Math.max(...rates, 1)
  const points = rates.map(
    (rate, index) =>
      `${((index * WIDTH) / (rates.length - 1)).toFixed(1)},${(HEIGHT - (rate / top) * (HEIGHT - 2)).toFixed(1)}`,
  )
  return (
    <figure class="curve">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label="Rate over time">
        <polygon class="area" points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
        <polyline class="line" points={points.join(' ')} />
      </svg>
      <figcaption>at most {formatBytes(top)}/s</figcaption>
    </figure>
  )
}
