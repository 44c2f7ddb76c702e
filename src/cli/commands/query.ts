import { once } from 'node:events'
import { PermafrostError, toPermafrostError } from '../../core/errors.ts'
import { parsePartitionChoice, parseSelector } from '../../core/selector.ts'
import { formatBytes } from '../../core/units.ts'
import type { View, ViewedBackup, ViewOptions } from '../../operations/view.ts'
import type { Repository } from '../../repository/repository.ts'
import { backupAt } from '../backup-at.ts'
import { collect } from '../command.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { findBackup } from '../../operations/find-backup.ts'
import { scratchDirectory } from '../scratch-directory.ts'
import { sizeOption } from '../size-option.ts'
import { statements } from '../statements.ts'

interface Options {
  readonly table: readonly string[]
  readonly partition: readonly string[]
  readonly at?: string
  readonly and: readonly string[]
  readonly format?: string
  readonly maxRows?: string
  readonly maxFetch?: string
  readonly memory: string
  readonly serve?: boolean
  readonly listen: string
  readonly scratch?: string
}

/** `permafrost query <backup> "<sql>"` */
export const addQuery: AddCommand = (program, run) => {
  program
    .command('query [backup-and-sql...]')
    .usage('[options] <backup> [sql]')
    .summary('ask a backup, in place')
    .description(
      'Run SQL on a backup where it lies: nothing is restored, no server is needed, nothing can be changed. Only the columns and granules that the answer needs are fetched. Without SQL it is read from standard input; on a terminal it is asked for.',
    )
    .option('-t, --table <pattern>', 'only these tables (repeatable)', collect, [])
    .option('--partition <db.table:id>', 'only these partitions of their table (repeatable)', collect, [])
    .option('--at <backup|time>', 'instead of <backup>: the newest as old as 2026-11-20; with =name, what it is called')
    .option(
      '--and <backup|time>',
      'another one beside it (repeatable): db_a.table is of the first, db_b.table of the second',
      collect,
      [],
    )
    .option('-o, --format <format>', 'any output format of ClickHouse')
    .option('--max-rows <count>', 'refuse an answer of more rows')
    .option('--max-fetch <size>', 'refuse to fetch more of the repository than this')
    .option('--memory <size>', 'memory for the query', '2GiB')
    .option('--serve', 'show the tables to a ClickHouse server instead, until Ctrl-C')
    .option('--listen <host:port>', 'where to serve', '127.0.0.1:0')
    .option('--scratch <directory>', 'where the engine may keep what it needs for the while')
    .action((words: readonly string[], options: Options, command) =>
      run(command, async (c) => {
        const repository = await c.repository('read')
        const [name, sql, ...more] = options.at === undefined ? words : [undefined, ...words]
        if (more.length > 0) throw new PermafrostError('USAGE', 'write the SQL in quotes, as one argument')
        const view: ViewOptions = {
          backups: await chosen(repository, name, options),
          selector: parseSelector(options.table),
          partitions: options.partition.map(parsePartitionChoice),
          scratch: scratchDirectory(c, options.scratch),
          mostFetched: sizeOption('--max-fetch', options.maxFetch),
          ...(options.serve && { listen: addressOf(options.listen) }),
        }
        for (const { backup, name: as } of view.backups)
          c.output.say(
            `${backup.id} of ${backup.host}, ${backup.started}${as === undefined ? '' : `: databases …_${as}`}`,
          )
        const { withView } = await import('../../operations/view.ts')
        await withView({ ...c.base(), repository }, view, (one) =>
          options.serve ? serve(one, c) : answerAll(one, c, { sql, options }),
        )
      }),
    )
}

async function chosen(
  repository: Repository,
  name: string | undefined,
  { at, and }: Options,
): Promise<readonly ViewedBackup[]> {
  if (at === undefined) {
    const hint = 'permafrost query latest "SELECT …", or --at 2026-11-20 --and latest'
    if (name === undefined || and.length > 0) throw new PermafrostError('USAGE', 'which backup?', { hint })
    return [{ backup: await findBackup(repository, name) }]
  }
  return Promise.all(
    [at, ...and].map(async (text, index) => {
      const [when = '', given] = text.split('=', 2)
      const as = given ?? (and.length > 0 ? String.fromCodePoint(0x61 + index) : undefined)
      return { backup: await backupAt(repository, when), ...(as !== undefined && { name: as }) }
    }),
  )
}

interface Question {
  readonly sql: string | undefined
  readonly options: Options
}

async function answerAll(view: View, c: Composition, { sql, options }: Question): Promise<void> {
  const { stdin, stderr } = c.process
  if (sql !== undefined) return answerOne(view, c, { sql, options })
  if (stdin.isTTY && !c.globals.input)
    throw new PermafrostError('USAGE', 'no SQL is given, and --no-input forbids to ask for it')
  const prompt = stdin.isTTY ? { to: stderr, signal: c.signal } : undefined
  if (prompt)
    c.output.say('end a statement with ; and this with exit. SHOW TABLES FROM <database>; lists what can be asked.')
  for await (const statement of statements(stdin, prompt)) {
    try {
      await answerOne(view, c, { sql: statement, options })
    } catch (error) {
      // Whoever types goes on after a typing error; a script does not, nor does anybody after damage.
      const failure = toPermafrostError(error)
      if (!prompt || failure.code !== 'ENGINE_REFUSED') throw error
      c.output.fail(failure, { debug: false })
    }
  }
}

async function answerOne(view: View, c: Composition, { sql = '', options }: Question): Promise<void> {
  const { stdout } = c.process
  const answer = view.ask(sql, {
    format: options.format ?? (c.globals.json ? 'JSON' : stdout.isTTY ? 'PrettyCompact' : 'TabSeparated'),
    rows: countOf(options.maxRows),
    memory: sizeOption('--memory', options.memory),
  })
  for await (const chunk of answer) if (!stdout.write(chunk) && !stdout.destroyed) await once(stdout, 'drain')
  const { fetched, stored } = view.fetched()
  if (stored === 0) return
  const share = ((100 * fetched) / stored).toFixed(2)
  c.output.say(
    `fetched ${formatBytes(fetched)} of ${formatBytes(stored)} that its tables take in the repository (${share} %)`,
  )
}

/** Until Ctrl-C. */
async function serve(view: View, c: Composition): Promise<void> {
  const made = await view.statements()
  c.output.answer({ statements: made }, () => made.map((statement) => `${statement};`))
  c.output.say('serving; the tables answer until this ends (Ctrl-C). Drop them afterwards.')
  if (!c.signal.aborted) await once(c.signal, 'abort')
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw new PermafrostError('USAGE', `--max-rows ${text} is not a count`)
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? []
  if (host !== '' && Number(port) < 65_536) return { host, port: Number(port) }
  throw new PermafrostError('USAGE', `--listen ${text} is not an address`, { hint: 'write 127.0.0.1:9000' })
}
