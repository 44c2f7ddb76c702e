import { PermafrostError, toPermafrostError } from '../core/errors.ts'
import { parseSelector } from '../core/selector.ts'
import { findBackup } from '../operations/find-backup.ts'
import { withView } from '../operations/view.ts'
import type { View } from '../operations/view.ts'
import type { Repository } from '../repository/repository.ts'
import type { AnswerOf, BodyOf } from './contract/routes.ts'
import { contextOf } from './execute.ts'
import type { AgentPorts } from './ports.ts'
import { problemOf } from './problem.ts'

type Line = AnswerOf<'query'>
type Request = BodyOf<'query'>

/** Each has an engine of its own, of some hundred megabytes. */
const MOST_QUERIES = 2
/** Bytes that a query may use in it. */
const MEMORY = 2 * 1024 ** 3
const ROWS_A_LINE = 500
/** Columns' names and types first, then a row a line. */
const FORMAT = 'JSONCompactEachRowWithNamesAndTypes'

export interface QueryPorts {
  readonly ports: AgentPorts
  readonly repository: () => Promise<Repository>
}

/** Answers to SQL on backups, as lines of JSON; a reader who goes away ends the query. */
export function queryStreams({ ports, repository }: QueryPorts) {
  let running = 0
  return async (request: Request, gone: AbortSignal): Promise<ReadableStream<Uint8Array>> => {
    if (running >= MOST_QUERIES)
      throw new PermafrostError('TOO_MANY', `${MOST_QUERIES} queries run already`, {
        hint: 'wait for one, or cancel it',
      })
    const open = await repository()
    const backup = await findBackup(open, request.backup)
    const stop = new AbortController()
    const signal = AbortSignal.any([gone, stop.signal])
    const context = { ...contextOf({ ports, emit: () => undefined, signal }), repository: open }
    const options = { backups: [{ backup }], selector: parseSelector([]), partitions: [], scratch: ports.scratch() }
    const encoder = new TextEncoder()
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        const send = (line: Line): void => {
          if (!signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`))
        }
        running++
        void withView(context, options, (view) => answer(view, request, { send, clock: ports.clock }))
          .catch((error: unknown) => send({ type: 'error', error: problemOf(toPermafrostError(error)) }))
          .finally(() => {
            running--
            if (!signal.aborted) controller.close()
          })
      },
      cancel: () => stop.abort(new PermafrostError('CANCELLED', 'the reader went away')),
    })
  }
}

async function answer(
  view: View,
  { sql, maxRows }: Request,
  { send, clock }: { readonly send: (line: Line) => void; readonly clock: () => Date },
): Promise<void> {
  const started = clock().getTime()
  let names: readonly unknown[] | undefined
  let hasColumns = false
  let sent = 0
  let truncated = false
  let rows: (readonly unknown[])[] = []
  const flush = (): void => {
    if (rows.length > 0) send({ type: 'rows', rows })
    sent += rows.length
    rows = []
  }
  for await (const line of linesOf(view.ask(sql, { format: FORMAT, memory: MEMORY }))) {
    const values = parseRow(line)
    if (!names) names = values
    else if (!hasColumns) {
      hasColumns = true
      send({
        type: 'columns',
        columns: names.map((name, index) => ({ name: String(name), type: String(values[index]) })),
      })
    } else if (sent + rows.length >= maxRows) {
      truncated = true
      break
    } else rows.push(values)
    if (rows.length >= ROWS_A_LINE) flush()
  }
  flush()
  const seconds = (clock().getTime() - started) / 1000
  send({ type: 'end', rows: sent, truncated, fetched: view.fetched().fetched, seconds })
}

/** JavaScript's numbers end at 2^53; larger integers stay the text that they were. */
function parseRow(line: string): readonly unknown[] {
  const keep = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const { source = '' } = context ?? {}
    return typeof value === 'number' && /^-?\d{16,}$/.test(source) && !Number.isSafeInteger(value) ? source : value
  }
  return JSON.parse(line, keep) as readonly unknown[]
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines.filter((line) => line !== '')
  }
  if (rest !== '') yield rest
}
