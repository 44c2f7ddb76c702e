import { parseSelector } from '../../core/selector.ts'
import { displayName } from '../../core/sql.ts'
import { formatBytes, formatSeconds, plural } from '../../core/units.ts'
import { HOLD } from '../../core/retention.ts'
import type { BackupResult } from '../../operations/backup.ts'
import { collect, exitCodeOf } from '../command.ts'
import { dayToCome } from '../day-to-come.ts'
import type { AddCommand } from '../command.ts'

interface Options {
  readonly table: readonly string[]
  readonly tag: readonly string[]
  readonly applyPatches?: boolean
  readonly nonMergetree?: boolean
  readonly dryRun?: boolean
  readonly resume?: boolean
  readonly keepUntil?: string
}

/** `permafrost backup` */
export const addBackup: AddCommand = (program, run) => {
  program
    .command('backup')
    .summary('make a backup')
    .description(
      'Freeze the tables at one instant and store what the repository does not have. Inserts and queries go on meanwhile.',
    )
    .option('-t, --table <pattern>', 'only these: db.table with * and ?; !pattern leaves out (repeatable)', collect, [])
    .option('--tag <name>', 'a word to find it by (repeatable)', collect, [])
    .option('--keep-until <date>', 'hold it: no policy forgets it before that day')
    .option('--apply-patches', 'turn lightweight updates into ordinary parts first: FREEZE leaves them out')
    .option('--non-mergetree', 'read the rows of tables without parts as well: Memory, Log, Join, …')
    .option('--resume', 'only go on with a backup that ended early (one that did is gone on with anyway)')
    .option('-n, --dry-run', 'show what would be frozen, and what would be missing')
    .action((options: Options, command) =>
      run(command, async (c) => {
        const selector = parseSelector(options.table.length > 0 ? options.table : c.config().config.select.tables)
        if (options.dryRun) return dryRun()
        const until = options.keepUntil === undefined ? undefined : dayToCome(options.keepUntil, c.base().clock())
        const { backup } = await import('../../operations/backup.ts')
        const ctx = await c.context('write')
        const result = await backup(ctx, {
          selector,
          tags: options.tag,
          applyPatches: options.applyPatches ?? false,
          nonMergeTree: options.nonMergetree ?? false,
          resume: options.resume ?? false,
        })
        if (until) {
          const { pin } = await import('../../operations/pin.ts')
          await pin(ctx, { backup: result.summary.id, reason: HOLD, until })
        }
        c.output.answer(result, () => describe(result))
        return exitCodeOf(result.findings)

        async function dryRun(): Promise<number> {
          const { planBackup } = await import('../../operations/backup-plan.ts')
          const plan = await planBackup(
            { ...c.base(), engine: await c.engine() },
            { selector, nonMergeTree: options.nonMergetree ?? false },
          )
          const tables = plan.tables.map((table) => ({
            database: table.database,
            name: table.name,
            engine: table.engine,
          }))
          const rows = plan.rows.map(({ database, name, engine }) => ({ database, name, engine }))
          for (const finding of plan.findings) c.base().emit({ type: 'finding', ...finding })
          c.output.answer({ tables, rows, findings: plan.findings }, () => [
            `Would freeze ${plural(tables.length, 'table')}:`,
            ...tables.map((table) => `  ${displayName(table)}  ${table.engine}`),
            ...rows.map((table) => `  ${displayName(table)}  ${table.engine}, row by row`),
          ])
          return exitCodeOf(plan.findings)
        }
      }),
    )
}

function describe({ summary }: BackupResult): readonly string[] {
  const seconds = (Date.parse(summary.finished) - Date.parse(summary.started)) / 1000
  const incomplete = summary.status === 'incomplete' ? ', INCOMPLETE' : ''
  return [
    `Backup ${summary.id}: ${plural(summary.tables, 'table')}, ${plural(summary.parts, 'part')}, ${formatBytes(summary.logical)}${incomplete}`,
    `  stored ${formatBytes(summary.stored)}, reused ${formatBytes(summary.reused)}, ${formatSeconds(seconds)}`,
    `  Check it:  permafrost verify ${summary.id}      Put it back:  permafrost restore ${summary.id} --as <database>`,
  ]
}
