import { formatBytes } from '../../core/units.ts'
import { listBackups } from '../../repository/backups.ts'
import type { ListedBackup } from '../../repository/backups.ts'
import type { AddCommand } from '../command.ts'
import { ERRORS } from '../../core/errors.ts'
import { table } from '../output.ts'
import type { Cell, Output, TableColumn } from '../output.ts'

/** `permafrost list` */
export const addList: AddCommand = (program, run) => {
  program
    .command('list')
    .summary('list the backups')
    .description('List the backups in the repository, oldest first.')
    .option('--host <name>', 'only those of this server')
    .option('--tag <name>', 'only those with this tag')
    .action((options: { readonly host?: string; readonly tag?: string }, command) =>
      run(command, async (c) => {
        const backups = (await listBackups(await c.repository('read'))).filter((backup) => wanted(backup, options))
        c.output.answer(
          backups.map((backup) =>
            backup.outcome === 'read' ? backup.summary : { id: backup.id, status: 'damaged', message: backup.message },
          ),
          () =>
            backups.length === 0
              ? ['The repository holds no backup yet:  permafrost backup']
              : lines(backups, c.output),
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
  { title: 'TAGS' },
]

function lines(backups: readonly ListedBackup[], output: Output): readonly string[] {
  const rows = backups.map((backup): readonly Cell[] => {
    if (backup.outcome === 'damaged') return [backup.id, '', '', '', '', '', { text: '✗ damaged', style: 'red' }, '']
    const { id, host, tables, parts, logical, stored, status, tags } = backup.summary
    const mark: Cell =
      status === 'complete' ? { text: '✓ complete', style: 'green' } : { text: '! incomplete', style: 'yellow' }
    return [id, host, String(tables), String(parts), formatBytes(logical), formatBytes(stored), mark, tags.join(' ')]
  })
  return table(output, COLUMNS, rows)
}
