import { PermafrostError } from '../../core/errors.ts'
import { collectFindings } from '../../core/events.ts'
import { formatBytes, parseBytes, plural } from '../../core/units.ts'
import type { CopyPlan, CopyResult } from '../../operations/copy.ts'
import type { Repository } from '../../repository/repository.ts'
import { answerWithRequests } from '../answer-with-requests.ts'
import { chosenBackups } from '../chosen-backups.ts'
import { collect, exitCodeOf } from '../command.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { runByAgent } from '../run-by-agent.ts'

interface Options {
  readonly to: readonly string[]
  readonly all?: boolean
  readonly bwlimit?: string
  readonly dryRun?: boolean
  readonly agent?: string | true
}

interface Copied {
  readonly plan: CopyPlan
  readonly result?: CopyResult
}

/** `permafrost copy [<backup>…]` */
export const addCopy: AddCommand = (program, run) => {
  program
    .command('copy [backup...]')
    .summary('have backups in another repository as well')
    .description(
      'Copy backups, latest when none is named. What is there is not copied again; between repositories with the same keys (repo init --like) packs go as they are.',
    )
    .option('--to <url>', 'the other repository, instead of copy.to (repeatable)', collect, [])
    .option('--all', 'every backup that the other repository lacks')
    .option('--bwlimit <rate>', 'no more than this to the other repository: 20MiB/s, instead of limits.upload')
    .option('--agent [url]', 'let a running agent do it, and follow it')
    .option('-n, --dry-run', 'show what would be copied')
    .action((names: readonly string[], options: Options, command) =>
      run(command, async (c) => {
        if (options.agent !== undefined) return byAgent(c, options.agent, { names, options })
        const upload = rateOf(options.bwlimit)
        const source = await c.repository('read')
        const ids = await chosenBackups(source, names, options.all ?? false)
        const { prepareCopy } = await import('../../operations/copy.ts')
        const { copyToAll } = await import('../../operations/copy-to-all.ts')
        const base = c.base()
        const { emit, findings } = collectFindings(base.emit)
        const ctx = { ...base, emit }
        const places = targets(options.to, c).map((location) => ({
          location,
          open: () => c.repositoryAt(location, 'write', { as: 'copy', upload }),
        }))
        const copyTo = async (target: Repository): Promise<Copied> => {
          const prepared = await prepareCopy({ ...ctx, source, target }, ids)
          return { plan: prepared.plan, ...(!options.dryRun && { result: await prepared.run() }) }
        }
        const copies = await copyToAll(places, copyTo, ctx)
        answerWithRequests(c, { copies, findings }, () => copies.flatMap(describe))
        return exitCodeOf(findings)
      }),
    )
}

async function byAgent(
  c: Composition,
  url: string | true,
  { names, options }: { readonly names: readonly string[]; readonly options: Options },
): Promise<number> {
  const { result, exit } = await runByAgent<{ readonly copies: readonly Copied[] }>(c, {
    url,
    request: { kind: 'copy', ...(names.length > 0 && { backups: names }), ...(options.all && { all: true }) },
    untold: { '--to': options.to, '--bwlimit': options.bwlimit, '--dry-run': options.dryRun },
  })
  c.output.answer(result, () => result.copies.flatMap(describe))
  return exit
}

function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const rate = parseBytes(text.replace(/\/s$/, ''))
  if (rate) return rate
  throw new PermafrostError('USAGE', `--bwlimit ${text} is not a rate`, { hint: 'write 20MiB/s' })
}

function targets(given: readonly string[], c: Composition): readonly string[] {
  const urls = given.length > 0 ? given : c.config().config.copy.to
  if (urls.length > 0) return urls
  throw new PermafrostError('USAGE', 'nothing says where to copy to', {
    hint: 'give --to <url>, or set copy.to in the configuration',
  })
}

function describe({ plan, result }: Copied): readonly string[] {
  const how = plan.mode === 'packs' ? 'as they are' : 'opened, checked and sealed anew'
  const what = `${plural(plan.backups.length, 'backup')} to ${plan.to}`
  return [
    result
      ? `Copied ${what}: stored ${formatBytes(result.stored)}, packs ${how}`
      : `Would copy ${what}: ${plural(plan.packs, 'pack')}, ${plan.mode === 'packs' ? '' : 'at most '}${formatBytes(plan.bytes)}, ${how}`,
    ...plan.backups.map((id) => `  ${id}`),
    ...(plan.there.length > 0 ? [`  ${plural(plan.there.length, 'backup')} were there`] : []),
    ...plan.forgotten.map((id) => `  ${id} was forgotten there:  permafrost forget ${id} --undo --repo ${plan.to}`),
  ]
}
