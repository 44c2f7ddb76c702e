import { PermafrostError } from '../../core/errors.ts'
import { formatBytes, parseDuration, plural } from '../../core/units.ts'
import type { PreparedPrune } from '../../operations/prune.ts'
import type { Collected } from '../../repository/collector.ts'
import { answerWithRequests } from '../answer-with-requests.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { confirmPlan } from '../confirm.ts'
import { runByAgent } from '../run-by-agent.ts'

interface Options {
  readonly dryRun?: boolean
  readonly minAge?: string
  readonly confirm?: string
  readonly agent?: string | true
}

/** `permafrost prune` */
export const addPrune: AddCommand = (program, run) => {
  program
    .command('prune')
    .summary('delete what no backup needs any more')
    .description(
      'Delete packs that no backup reaches, and backups that were forgotten for good. Backups and restores may run meanwhile.',
    )
    .option(
      '--min-age <duration>',
      'spare packs younger than this (24h); it saves running backups from storing them again',
    )
    .option('--confirm <repository>', 'the id of the repository: delete what cannot be explained, too')
    .option('--agent [url]', 'let a running agent do it, and follow it')
    .option('-n, --dry-run', 'show what would be deleted')
    .action((options: Options, command) =>
      run(command, async (c) => {
        if (options.agent !== undefined) return byAgent(c, options.agent, options)
        const repository = await c.repository('collect')
        const { preparePrune } = await import('../../operations/prune.ts')
        const prepared = await preparePrune(
          { ...c.base(), repository },
          { minAge: secondsOf(options.minAge), confirmed: isConfirmed(options.confirm, repository.format.id) },
        )
        if (options.dryRun) {
          answerWithRequests(c, { plan: planJson(prepared) }, () => describePlan(prepared))
          return 0
        }
        if (prepared.plan.dead.size > 0) {
          for (const line of describePlan(prepared)) c.output.say(line)
          await confirmPlan(c, 'delete it')
        }
        const collected = await prepared.run()
        answerWithRequests(c, { plan: planJson(prepared), collected }, () => describe(collected))
        return 0
      }),
    )
}

/** Whoever may start it there may delete; what is asked here is whether it is meant. */
async function byAgent(c: Composition, url: string | true, { confirm, minAge, dryRun }: Options): Promise<number> {
  await confirmPlan(c, 'delete what no backup needs any more')
  const { result, exit } = await runByAgent<{ readonly collected: Collected }>(c, {
    url,
    request: { kind: 'prune', ...(confirm !== undefined && { confirm }) },
    untold: { '--min-age': minAge, '--dry-run': dryRun },
  })
  c.output.answer(result, () => describe(result.collected))
  return exit
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = parseDuration(text)
  if (seconds !== undefined) return seconds
  throw new PermafrostError('USAGE', `--min-age ${text} is not a duration`, { hint: 'write 0s, 90m or 24h' })
}

function isConfirmed(given: string | undefined, id: string): boolean {
  if (given === undefined || given === id) return given === id
  throw new PermafrostError('USAGE', `--confirm ${given} is not the id of this repository`, { hint: `--confirm ${id}` })
}

function planJson({ plan }: PreparedPrune) {
  const { deadBytes, totalBytes, packs, gone } = plan
  return { dead: [...plan.dead.keys()], deadBytes, totalBytes, packs, backups: [...gone.keys()] }
}

function describePlan({ plan }: PreparedPrune): readonly string[] {
  const packs = plan.dead.size - plan.gone.size
  if (plan.dead.size === 0) return [`Nothing to delete: all ${plural(plan.packs, 'pack')} are in use, or too young`]
  return [
    `Would delete ${plural(packs, 'pack')} of ${plan.packs}, ${formatBytes(plan.deadBytes)} of ${formatBytes(plan.totalBytes)}`,
    ...[...plan.gone.keys()].map((id) => `  backup ${id}, which was forgotten`),
  ]
}

function describe({ packs, bytes, backups, spared }: Collected): readonly string[] {
  return [
    `Deleted ${plural(packs, 'pack')}, ${formatBytes(bytes)}, and ${plural(backups.length, 'forgotten backup')}`,
    ...(spared > 0 ? [`  ${plural(spared, 'object')} came to be needed meanwhile, and stayed`] : []),
  ]
}
