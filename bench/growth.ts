/** What grows, or does not, with the size of a repository. */
export interface Growth {
  readonly seconds: number
  readonly peakMemory: number
}

/** The steps measured at one size. */
export interface Size {
  readonly parts: number
  readonly results: Readonly<Record<string, Growth>>
}

/** The slopes of time and memory against parts on a log–log plot: 1 is linear, 0 is flat. */
export function growthTable(sizes: readonly Size[]): string {
  const row = (step: string) =>
    `| ${step} | ${slope(sizes, step, 'seconds').toFixed(2)} | ${slope(sizes, step, 'peakMemory').toFixed(2)} |`
  return ['| step | slope of time | slope of memory |', '|---|---:|---:|', ...stepsOf(sizes).map(row)].join('\n')
}

const WIDTH = 320
const HEIGHT = 260
const COLORS = ['#0969da', '#8250df', '#bf3989', '#cf222e', '#bc4c00', '#9a6700', '#1a7f37', '#57606a', '#1b7c83']

/** Seconds at the left, memory at the right, a line a step, both axes logarithmic. */
export function growthChart(sizes: readonly Size[]): string {
  const steps = stepsOf(sizes)
  const legend = steps.map(
    (step, n) =>
      `<rect x="${30 + (n % 2) * 380}" y="${HEIGHT + 62 + (n >> 1) * 18}" width="12" height="4" fill="${colorOf(n)}"/><text x="${48 + (n % 2) * 380}" y="${HEIGHT + 68 + (n >> 1) * 18}">${step}</text>`,
  )
  const panels = [
    panel(sizes, { what: 'seconds', title: 'seconds, by parts', left: 50 }),
    panel(sizes, { what: 'peakMemory', title: 'bytes of memory, by parts', left: 430 }),
  ]
  const height = HEIGHT + 74 + Math.ceil(steps.length / 2) * 18
  return `<svg xmlns="http://www.w3.org/2000/svg" width="770" height="${height}"><style>text{font:12px system-ui,sans-serif;fill:#57606a}polyline{fill:none;stroke-width:2}.grid{stroke:#d0d7de}</style>\n${[...panels, ...legend].join('\n')}\n</svg>\n`
}

interface Panel {
  readonly what: keyof Growth
  readonly title: string
  readonly left: number
}

function panel(sizes: readonly Size[], { what, title, left }: Panel): string {
  const values = sizes.flatMap(({ results }) => Object.values(results).map((result) => Math.log10(result[what])))
  const [low, high] = [Math.floor(Math.min(...values)), Math.ceil(Math.max(...values))]
  const sizesLog = sizes.map(({ parts }) => Math.log10(parts))
  const [from, to] = [Math.min(...sizesLog), Math.max(...sizesLog)]
  const x = (parts: number) => left + ((Math.log10(parts) - from) / (to - from || 1)) * WIDTH
  const y = (value: number) => 30 + HEIGHT - ((Math.log10(value) - low) / (high - low || 1)) * HEIGHT
  const grid = Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n)).map(
    (value) =>
      `<line class="grid" x1="${left}" x2="${left + WIDTH}" y1="${y(value)}" y2="${y(value)}"/><text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">10${superscript(Math.round(Math.log10(value)))}</text>`,
  )
  const ticks = sizes.map(
    ({ parts }) => `<text x="${x(parts)}" y="${HEIGHT + 48}" text-anchor="middle">${parts.toLocaleString('en')}</text>`,
  )
  const lines = stepsOf(sizes).map((step, n) => {
    const points = sizes.map(({ parts, results }) => `${x(parts)},${y(results[step]?.[what] ?? 1)}`)
    return `<polyline stroke="${colorOf(n)}" points="${points.join(' ')}"/>`
  })
  return [`<text x="${left}" y="16">${title}</text>`, ...grid, ...ticks, ...lines].join('\n')
}

function stepsOf(sizes: readonly Size[]): readonly string[] {
  return Object.keys(sizes[0]?.results ?? {})
}

function colorOf(n: number): string {
  return COLORS[n % COLORS.length] as string
}

function superscript(n: number): string {
  return Array.from(String(n), (digit) => (digit === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)])).join('')
}

/** By least squares. */
function slope(sizes: readonly Size[], step: string, what: keyof Growth): number {
  const points = sizes.map(({ parts, results }) => [Math.log(parts), Math.log(results[step]?.[what] ?? NaN)] as const)
  const mean = (index: 0 | 1) => points.reduce((sum, point) => sum + point[index], 0) / points.length
  const [mx, my] = [mean(0), mean(1)]
  const covariance = points.reduce((sum, [px, py]) => sum + (px - mx) * (py - my), 0)
  return covariance / points.reduce((sum, [px]) => sum + (px - mx) ** 2, 0)
}
