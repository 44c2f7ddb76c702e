import type { BackupSummary } from '../../core/manifest.ts'
import { ageOf, formatBytes } from '../../core/units.ts'
import { readHolds } from '../../operations/forget.ts'
import { readProofs } from '../../repository/attestations.ts'
import type { Proof } from '../../repository/attestations.ts'
import { listBackups } from '../../repository/backups.ts'
import { listNative } from '../../repository/native-backups.ts'
import type { ListedBackup } from '../../repository/backups.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { ERRORS } from '../../core/errors.ts'
import { LEVEL_NAMES } from '../level-names.ts'
import { answerLocalList } from '../local-answers.ts'
import { withChains } from '../native-answers.ts'
import type { ListedNative } from '../native-answers.ts'
import { table } from '../output.ts'
import type { Cell, Output, TableColumn } from '../output.ts'

interface Options {
  readonly host?: string
  readonly tag?: string
  readonly forgotten?: boolean
  readonly agent?: string | true
  readonly local?: boolean
}

/** `permafrost list` */
export const addList: AddCommand = (program, run) => {
  program
    .command('list')
    .summary('list the backups')
    .description('List the backups in the repository, oldest first.')
    .option('--host <name>', 'only those of this server')
    .option('--tag <name>', 'only those with this tag')
    .option('--local', 'the local snapshots on the server’s own disks, and the space that they pin')
    .option('--forgotten', 'those that were forgotten, and can still be taken back')
    .option('--agent [url]', 'as a running agent knows them')
    .action((options: Options, command) =>
      run(command, async (c) => {
        if (options.local) return answerLocalList(c)
        const { backups: all, proofs, holds } = await (options.agent === undefined ? readAll : askAgent)(c, options)
        const backups = all.filter((backup) => wanted(backup, options))
        const native = options.agent === undefined && !options.forgotten ? await readNative(c, options) : []
        c.output.answer(
          [
            ...backups.map((backup) =>
              backup.outcome === 'read'
                ? { ...backup.summary, ...proofs.get(backup.id), heldUntil: holds.get(backup.id) }
                : { id: backup.id, status: 'damaged', message: backup.message },
            ),
            ...native,
          ],
          () => {
            if (backups.length + native.length > 0)
              return lines(backups, { native, proofs, holds, output: c.output, now: c.base().clock() })
            return options.forgotten
              ? ['No backup is forgotten']
              : ['The repository holds no backup yet:  permafrost backup']
          },
        )
        return backups.some((backup) => backup.outcome === 'damaged') ? ERRORS.DAMAGED.exit : 0
      }),
    )
}

interface Everything extends Pick<Known, 'proofs' | 'holds'> {
  readonly backups: readonly ListedBackup[]
}

async function readAll(c: Composition, { forgotten }: Options): Promise<Everything> {
  const repository = await c.repository('read')
  return {
    backups: await listBackups(repository, { which: forgotten ? 'forgotten' : 'kept' }),
    proofs: await readProofs(repository),
    holds: await readHolds(repository, c.base().clock()),
  }
}

async function readNative(c: Composition, { host, tag }: Options): Promise<readonly ListedNative[]> {
  const all = withChains(await listNative(await c.repository('read')))
  return all.filter((one) => (host === undefined || one.host === host) && (tag === undefined || one.tags.includes(tag)))
}

async function askAgent(c: Composition, { forgotten, agent }: Options): Promise<Everything> {
  const { agentClient } = await import('../agent-client.ts')
  const query = { which: forgotten ? 'forgotten' : 'kept' }
  const { backups } = await agentClient(c, agent).ask('backups', { query })
  const known = backups.map((backup) => {
    if (backup.outcome === 'damaged') return { backup, proof: {}, held: undefined }
    const { outcome, proven, damaged, drill, heldUntil: held, ...summary } = backup
    const proof = { ...(proven && { proven }), ...(damaged && { damaged }), ...(drill && { drill }) }
    return { backup: { outcome, id: summary.id, summary: summary as BackupSummary }, proof, held }
  })
  return {
    backups: known.map(({ backup }) => backup),
    proofs: new Map(known.map(({ backup, proof }) => [backup.id, proof])),
    holds: new Map(known.flatMap(({ backup, held }) => (held === undefined ? [] : [[backup.id, new Date(held)]]))),
  }
}

function wanted(backup: ListedBackup, { host, tag }: { readonly host?: string; readonly tag?: string }): boolean {
  if (backup.outcome === 'damaged') return host === undefined && tag === undefined
  const { summary } = backup
  return (host === undefined || summary.host === host) && (tag === undefined || summary.tags.includes(tag))
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'ID' },
  { title: 'HOST' },
  { title: 'TABLES', right: true },
  { title: 'PARTS', right: true },
  { title: 'LOGICAL', right: true },
  { title: 'STORED', right: true },
  { title: 'STATUS' },
  { title: 'PROVEN' },
  { title: 'TAGS' },
]

interface Known {
  readonly native: readonly ListedNative[]
  readonly proofs: ReadonlyMap<string, Proof>
  readonly holds: ReadonlyMap<string, Date>
  readonly output: Output
  readonly now: Date
}

function lines(backups: readonly ListedBackup[], { native, proofs, holds, output, now }: Known): readonly string[] {
  const rows = backups.map((backup): readonly Cell[] => {
    if (backup.outcome === 'damaged')
      return [backup.id, '', '', '', '', '', { text: '✗ damaged', style: 'red' }, '', '']
    const { id, host, tables, parts, logical, stored, status, tags } = backup.summary
    const mark: Cell =
      status === 'complete' ? { text: '✓ complete', style: 'green' } : { text: '! incomplete', style: 'yellow' }
    const until = holds.get(id)
    const notes = [...tags, ...(until ? [`held until ${until.toISOString().slice(0, 10)}`] : [])].join(' ')
    const sizes = [String(tables), String(parts), formatBytes(logical), formatBytes(stored)]
    return [id, host, ...sizes, mark, proofCell(proofs.get(id) ?? {}, now), notes]
  })
  return table(output, COLUMNS, [...rows, ...native.map(nativeRow)])
}

/** Nothing of it is in the repository, and nothing of it is proven. */
function nativeRow({ id, host, tables, bytes, status, tags, chain }: ListedNative): readonly Cell[] {
  const mark: Cell =
    status === 'complete' ? { text: '✓ complete', style: 'green' } : { text: '! incomplete', style: 'yellow' }
  const notes = [...tags, ...(chain.length > 0 ? [`chain: needs ${chain.join(' ')}`] : [])].join(' ')
  return [
    `native:${id}`,
    host,
    String(tables.length),
    '',
    formatBytes(bytes),
    '',
    mark,
    { text: '–', style: 'dim' },
    notes,
  ]
}

function proofCell({ proven, damaged, drill }: Proof, now: Date): Cell {
  if (damaged) return { text: `✗ damaged, ${ageOf(damaged.at, now)}`, style: 'red' }
  if (drill?.result === 'failed') return { text: `✗ drill failed, ${ageOf(drill.at, now)}`, style: 'red' }
  if (!proven) return { text: '–', style: 'dim' }
  return { text: `✓ ${LEVEL_NAMES[proven.level]}, ${ageOf(proven.at, now)}`, style: 'green' }
}
