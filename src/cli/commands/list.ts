import { ageOf, formatBytes } from '../../core/units.ts'
import { readHolds } from '../../operations/forget.ts'
import { readProofs } from '../../repository/attestations.ts'
import type { Proof } from '../../repository/attestations.ts'
import { listBackups } from '../../repository/backups.ts'
import type { ListedBackup } from '../../repository/backups.ts'
import type { AddCommand } from '../command.ts'
import { ERRORS } from '../../core/errors.ts'
import { LEVEL_NAMES } from '../level-names.ts'
import { answerLocalList } from '../local-answers.ts'
import { table } from '../output.ts'
import type { Cell, Output, TableColumn } from '../output.ts'

interface Options {
  readonly host?: string
  readonly tag?: string
  readonly forgotten?: boolean
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
    .action((options: Options, command) =>
      run(command, async (c) => {
        if (options.local) return answerLocalList(c)
        const repository = await c.repository('read')
        const which = options.forgotten ? 'forgotten' : 'kept'
        const backups = (await listBackups(repository, { which })).filter((backup) => wanted(backup, options))
        const proofs = await readProofs(repository)
        const holds = await readHolds(repository, c.base().clock())
        c.output.answer(
          backups.map((backup) =>
            backup.outcome === 'read'
              ? { ...backup.summary, ...proofs.get(backup.id), heldUntil: holds.get(backup.id) }
              : { id: backup.id, status: 'damaged', message: backup.message },
          ),
          () => {
            if (backups.length > 0) return lines(backups, { proofs, holds, output: c.output, now: c.base().clock() })
            return options.forgotten
              ? ['No backup is forgotten']
              : ['The repository holds no backup yet:  permafrost backup']
          },
        )
        return backups.some((backup) => backup.outcome === 'damaged') ? ERRORS.DAMAGED.exit : 0
      }),
    )
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
  readonly proofs: ReadonlyMap<string, Proof>
  readonly holds: ReadonlyMap<string, Date>
  readonly output: Output
  readonly now: Date
}

function lines(backups: readonly ListedBackup[], { proofs, holds, output, now }: Known): readonly string[] {
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
  return table(output, COLUMNS, rows)
}

function proofCell({ proven, damaged }: Proof, now: Date): Cell {
  if (damaged) return { text: `✗ damaged, ${ageOf(damaged.at, now)}`, style: 'red' }
  if (!proven) return { text: '–', style: 'dim' }
  return { text: `✓ ${LEVEL_NAMES[proven.level]}, ${ageOf(proven.at, now)}`, style: 'green' }
}
