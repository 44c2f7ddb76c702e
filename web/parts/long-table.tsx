import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export interface LongColumn<T> {
  readonly title: string
  readonly number?: boolean
  readonly cell: (row: T) => ComponentChildren
}

/** The height of a row in the style sheet. */
const ROW = 34
/** Rows above and below what is seen, so that the focus always finds the next one. */
const BEYOND = 20
const SHORT = 200

/**
 * A table of any length: a real one, of which only the rows near the window are in the page. Ten thousand rows scroll as ten do.
 */
export function LongTable<T>({
  label,
  columns,
  rows,
  keyOf,
}: {
  readonly label: string
  readonly columns: readonly LongColumn<T>[]
  readonly rows: readonly T[]
  readonly keyOf: (row: T, index: number) => string
}) {
  const body = useRef<HTMLTableSectionElement>(null)
  const first = useSignal(0)
  const count = useSignal(60)
  const isLong = rows.length > SHORT
  useEffect(() => {
    if (!isLong) return
    const look = (): void => {
      const top = body.current?.getBoundingClientRect().top ?? 0
      first.value = Math.max(0, Math.floor(-top / ROW) - BEYOND)
      count.value = Math.ceil(innerHeight / ROW) + 2 * BEYOND
    }
    look()
    addEventListener('scroll', look, { passive: true, capture: true })
    addEventListener('resize', look)
    return () => {
      removeEventListener('scroll', look, { capture: true })
      removeEventListener('resize', look)
    }
  }, [isLong])
  const from = isLong ? Math.min(first.value, rows.length) : 0
  const shown = isLong ? rows.slice(from, from + count.value) : rows
  const below = rows.length - from - shown.length
  return (
    <div class="table-frame">
      <table class="long" aria-label={label} aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ title, number }) => (
              <th key={title} scope="col" class={number ? 'number' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {from > 0 && <Gap rows={from} columns={columns.length} />}
          {shown.map((row, index) => (
            <tr key={keyOf(row, from + index)} aria-rowindex={from + index + 2}>
              {columns.map(({ title, number, cell }) => (
                <td key={title} class={number ? 'number' : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {below > 0 && <Gap rows={below} columns={columns.length} />}
        </tbody>
      </table>
    </div>
  )
}

function Gap({ rows, columns }: { readonly rows: number; readonly columns: number }) {
  return (
    <tr aria-hidden="true">
      <td class="gap" colSpan={columns} style={{ height: `${rows * ROW}px` }} />
    </tr>
  )
}
