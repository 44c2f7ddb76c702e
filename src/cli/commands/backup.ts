import { classifyPostHog } from '../../core/posthog.ts'
import { PermafrostError } from '../../core/errors.ts'
import { parseSelector } from '../../core/selector.ts'
import { displayName } from '../../core/sql.ts'
import { formatBytes, formatSeconds, plural } from '../../core/units.ts'
import { HOLD } from '../../core/retention.ts'
import type { BackupResult } from '../../operations/backup.ts'
import { answerWithRequests } from '../answer-with-requests.ts'
import { collect, exitCodeOf } from '../command.ts'
import { dayToCome } from '../day-to-come.ts'
import { findLocal } from '../find-local.ts'
import { backupLocal } from '../local-answers.ts'
import { runByAgent } from '../run-by-agent.ts'
import { profileOption } from '../profile-option.ts'
import type { Profile } from '../profile-option.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'

interface Options {
  readonly table: readonly string[]
  readonly tag: readonly string[]
  readonly applyPatches?: boolean
  readonly nonMergetree?: boolean
  readonly dryRun?: boolean
  readonly resume?: boolean
  readonly keepUntil?: string
  readonly agent?: string | true
  readonly local?: boolean
  readonly fromLocal?: string
  readonly profile?: Profile
  readonly serverFiles: readonly string[]
  readonly incremental?: boolean
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
    .option('--agent [url]', 'let a running agent do it, and follow it')
    .addOption(profileOption('leave out what its tables’ names say is rebuildable or transient, with the reason'))
    .option('--local', 'keep the hard links of the freeze on the server’s own disks: an instant, no copy')
    .option('--from-local <id>', 'store that local snapshot, instead of the server as it is now')
    .option(
      '--server-files <directory>',
      'the files below it as well: configuration, scripts (repeatable)',
      collect,
      [],
    )
    .option('--incremental', 'of the native engine: only what its newest backup does not have')
    .option('-n, --dry-run', 'show what would be frozen, and what would be missing')
    .action((options: Options, command) =>
      run(command, async (c) => {
        if (options.serverFiles.length > 0) refuseWithoutServer(options)
        const native = c.config().config.clickhouse.engine === 'native'
        refuseOfOtherEngine(options, native)
        if (options.agent !== undefined) return byAgent(c, options.agent, options)
        const selector = parseSelector(options.table.length > 0 ? options.table : c.config().config.select.tables)
        if (native) {
          const { answerNativeBackup } = await import('../native-answers.ts')
          return answerNativeBackup(c, { selector, tags: options.tag, incremental: options.incremental ?? false })
        }
        const wish = {
          selector,
          applyPatches: options.applyPatches ?? false,
          nonMergeTree: options.nonMergetree ?? false,
          classify: options.profile && classifyPostHog,
        }
        if (options.dryRun) return dryRun()
        if (options.local) return backupLocal(c, { ...wish, tags: options.tag })
        const until = options.keepUntil === undefined ? undefined : dayToCome(options.keepUntil, c.base().clock())
        const ctx = await c.context('write')
        const result = options.fromLocal === undefined ? await fromServer() : await fromLocal(options.fromLocal)
        if (until) {
          const { pin } = await import('../../operations/pin.ts')
          await pin(ctx, { backup: result.summary.id, reason: HOLD, until })
        }
        answerWithRequests(c, result, () => describe(result))
        return exitCodeOf(result.findings)

        async function fromServer(): Promise<BackupResult> {
          const { backup } = await import('../../operations/backup.ts')
          return backup(ctx, {
            ...wish,
            tags: options.tag,
            resume: options.resume ?? false,
            serverFiles: options.serverFiles,
          })
        }

        async function fromLocal(name: string): Promise<BackupResult> {
          const { storeLocal } = await import('../../operations/store-local.ts')
          return storeLocal(ctx, await findLocal(c, name))
        }

        async function dryRun(): Promise<number> {
          const { planBackup } = await import('../../operations/backup-plan.ts')
          const plan = await planBackup({ ...c.base(), engine: await c.engine() }, { ...wish, applyPatches: false })
          const tables = plan.tables.map((table) => ({
            database: table.database,
            name: table.name,
            engine: table.engine,
            ...wish.classify?.(table),
          }))
          const rows = plan.rows.map(({ database, name, engine }) => ({ database, name, engine }))
          for (const finding of plan.findings) c.base().emit({ type: 'finding', ...finding })
          c.output.answer({ tables, rows, findings: plan.findings }, () => [
            `Would freeze ${plural(tables.length, 'table')}:`,
            ...tables.map(
              (table) =>
                `  ${displayName(table)}  ${table.engine}${table.class ? `  ${table.class}: ${table.reason}` : ''}`,
            ),
            ...rows.map((table) => `  ${displayName(table)}  ${table.engine}, row by row`),
          ])
          return exitCodeOf(plan.findings)
        }
      }),
    )
}

/** Of no effect is worse than refused. */
function refuseOfOtherEngine(options: Options, native: boolean): void {
  const frozen = [
    'applyPatches',
    'nonMergetree',
    'dryRun',
    'resume',
    'keepUntil',
    'local',
    'fromLocal',
    'profile',
  ] as const
  if (!native && options.incremental)
    throw new PermafrostError(
      'USAGE',
      '--incremental is for the native engine: every other backup stores only what is new',
    )
  const flag = native ? frozen.find((name) => options[name]) : undefined
  if (flag !== undefined || (native && options.serverFiles.length > 0))
    throw new PermafrostError('USAGE', 'the native engine knows -t, --tag and --incremental only')
}

function refuseWithoutServer({ agent, local, fromLocal }: Options): void {
  if (agent !== undefined || local || fromLocal !== undefined)
    throw new PermafrostError('USAGE', '--server-files goes with neither --agent nor --local nor --from-local')
}

async function byAgent(c: Composition, url: string | true, options: Options): Promise<number> {
  const { table, tag, applyPatches, nonMergetree, keepUntil, ...others } = options
  const { result, exit } = await runByAgent<BackupResult>(c, {
    url,
    request: {
      kind: 'backup',
      tags: tag,
      ...(table.length > 0 && { tables: table }),
      ...(applyPatches && { applyPatches }),
      ...(nonMergetree && { nonMergeTree: true }),
      ...(keepUntil !== undefined && { keepUntil: dayToCome(keepUntil, c.base().clock()).toISOString() }),
    },
    untold: {
      '--dry-run': others.dryRun,
      '--resume': others.resume,
      '--local': others.local,
      '--from-local': others.fromLocal,
      '--profile': others.profile,
    },
  })
  c.output.answer(result, () => describe(result))
  return exit
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
