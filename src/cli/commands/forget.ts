import { Option } from 'commander'
import { retentionPolicy } from '../../config/retention-policy.ts'
import { PermafrostError } from '../../core/errors.ts'
import { HOLD } from '../../core/retention.ts'
import type { RetentionPolicy } from '../../core/retention.ts'
import { parseDuration, plural } from '../../core/units.ts'
import type { ForgetPlan } from '../../operations/forget.ts'
import { backupIds } from '../../repository/backups.ts'
import { collect } from '../command.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { dayToCome } from '../day-to-come.ts'
import { confirmByName, confirmPlan } from '../confirm.ts'
import { findBackup } from '../../operations/find-backup.ts'
import { isLocal } from '../find-local.ts'
import { forgetLocal } from '../local-answers.ts'
import { table } from '../output.ts'
import type { Cell, Output, TableColumn } from '../output.ts'

interface Options {
  readonly keepLast?: number
  readonly keepHourly?: number
  readonly keepDaily?: number
  readonly keepWeekly?: number
  readonly keepMonthly?: number
  readonly keepYearly?: number
  readonly keepWithin?: string
  readonly keepTag: readonly string[]
  readonly keepUntil?: string
  readonly host?: string
  readonly tag?: string
  readonly grace?: string
  readonly undo?: boolean
  readonly confirm?: string
  readonly dryRun?: boolean
}

const COUNTS = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const

/** `permafrost forget [<backup>…]` */
export const addForget: AddCommand = (program, run) => {
  const command = program
    .command('forget [backup...]')
    .summary('take backups out of the list, by id or by policy')
    .description(
      'Forget backups: by id, or all that the policy (flags, else retention in the configuration) does not keep. They can be taken back with --undo until a prune after the grace period.',
    )
  for (const count of COUNTS)
    command.addOption(new Option(`--keep-${count} <n>`, helpOf(count)).argParser(parseCount(`--keep-${count}`)))
  command
    .option('--keep-within <duration>', 'keep everything younger than this')
    .option('--keep-tag <name>', 'keep backups with this tag (repeatable)', collect, [])
    .option('--host <name>', 'look only at backups of this server')
    .option('--tag <name>', 'look only at backups with this tag')
    .option('--grace <duration>', 'how long it can be taken back')
    .option('--keep-until <date>', 'do not forget these before that day: a hold that no policy overrides')
    .option('--undo', 'take it back')
    .option('--confirm <host>', 'what forgetting more than half would ask for')
    .option('-n, --dry-run', 'show what would be forgotten, and why')
    .action((names: readonly string[], options: Options, self) =>
      run(self, async (c) => {
        if (names.some(isLocal)) return forgetLocal(c, names)
        if (options.undo) return undo(c, names)
        if (options.keepUntil !== undefined) return hold(c, names, options.keepUntil)
        const repository = await c.repository('write')
        const { prepareForget } = await import('../../operations/forget.ts')
        const ids = await Promise.all(names.map(async (name) => (await findBackup(repository, name)).id))
        const { retention } = c.config().config
        const prepared = await prepareForget(
          { ...c.base(), repository },
          {
            ids,
            policy: policyOf(options) ?? retentionPolicy(c.config().config),
            host: options.host,
            tag: options.tag,
            grace: options.grace === undefined ? retention.grace : secondsOf('--grace', options.grace),
          },
        )
        const { plan } = prepared
        if (!options.dryRun) {
          await confirm(c, plan, { byHand: ids.length > 0, given: options.confirm })
          await prepared.run()
        }
        c.output.answer({ ...plan, dryRun: options.dryRun ?? false }, () =>
          describe(plan, c.output, options.dryRun ?? false),
        )
      }),
    )
}

function helpOf(count: (typeof COUNTS)[number]): string {
  const unit = { hourly: 'hours', daily: 'days', weekly: 'weeks', monthly: 'months', yearly: 'years' }
  return count === 'last' ? 'keep this many of the newest' : `keep the newest of each of the newest n ${unit[count]}`
}

function parseCount(flag: string) {
  return (text: string): number => {
    if (/^\d{1,6}$/.test(text)) return Number(text)
    throw new PermafrostError('USAGE', `${flag} ${text} is not a count`)
  }
}

function secondsOf(flag: string, text: string): number {
  const seconds = parseDuration(text)
  if (seconds !== undefined) return seconds
  throw new PermafrostError('USAGE', `${flag} ${text} is not a duration`, { hint: 'write 12h, 7d or 4w' })
}

/** The policy in these flags; nothing when there is none of them. */
function policyOf(options: Options): RetentionPolicy | undefined {
  const { keepWithin, keepTag } = options
  const policy: RetentionPolicy = {
    last: options.keepLast,
    hourly: options.keepHourly,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
    yearly: options.keepYearly,
    within: keepWithin === undefined ? undefined : secondsOf('--keep-within', keepWithin),
    tags: keepTag.length > 0 ? keepTag : undefined,
  }
  return Object.values(policy).some((value) => value !== undefined) ? policy : undefined
}

async function confirm(
  c: Composition,
  plan: ForgetPlan,
  { byHand, given }: { readonly byHand: boolean; readonly given: string | undefined },
): Promise<void> {
  if (plan.forget.length === 0) return
  const all = byHand ? await backupIds(await c.repository('read')) : plan.decisions
  const act = `forget ${plan.forget.length} of ${plural(all.length, 'backup')}`
  if (byHand && plan.forget.length === 1) return
  for (const line of describe(plan, c.output, true)) c.output.say(line)
  const host = plan.decisions.find(({ keep }) => !keep)?.summary.host ?? ''
  if (plan.forget.length * 2 > all.length) await confirmByName(c, { name: host, given, act: `${act}, of` })
  else await confirmPlan(c, act)
}

async function undo(c: Composition, names: readonly string[]): Promise<void> {
  if (names.length === 0)
    throw new PermafrostError('USAGE', '--undo needs the id of a backup', { hint: 'permafrost list --forgotten' })
  const repository = await c.repository('write')
  const { takeBack } = await import('../../operations/take-back.ts')
  const forgotten = await backupIds(repository, 'forgotten')
  const ids = names.map((name) => {
    const [id, another] = forgotten.filter(
      (one) => name.length >= 4 && (one.startsWith(name) || one.slice(-6).startsWith(name)),
    )
    if (id !== undefined && another === undefined) return id
    throw new PermafrostError('NOT_FOUND', `no forgotten backup ${name}`, { hint: 'permafrost list --forgotten' })
  })
  for (const id of ids) await takeBack({ ...c.base(), repository }, id)
  c.output.answer({ takenBack: ids }, () => ids.map((id) => `Backup ${id} is back`))
}

async function hold(c: Composition, names: readonly string[], date: string): Promise<void> {
  const until = dayToCome(date, c.base().clock())
  if (names.length === 0)
    throw new PermafrostError('USAGE', '--keep-until needs a backup', {
      hint: `permafrost forget latest --keep-until ${date}`,
    })
  const repository = await c.repository('write')
  const { pin } = await import('../../operations/pin.ts')
  const ids = await Promise.all(names.map(async (name) => (await findBackup(repository, name)).id))
  for (const backup of ids) await pin({ ...c.base(), repository }, { backup, reason: HOLD, until })
  c.output.answer({ held: ids, until: until.toISOString() }, () =>
    ids.map((id) => `Backup ${id} is held until ${until.toISOString()}`),
  )
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'ID' },
  { title: 'HOST' },
  { title: 'MADE' },
  { title: '' },
  { title: 'WHY' },
]

function describe(plan: ForgetPlan, output: Output, dry: boolean): readonly string[] {
  const rows = plan.decisions.map(({ id, keep, reasons, summary }): readonly Cell[] => [
    id,
    summary.host,
    summary.started,
    keep ? { text: 'keep', style: 'green' } : { text: 'forget', style: 'yellow' },
    reasons.join(', '),
  ])
  const count = plural(plan.forget.length, 'backup')
  const kept = plan.decisions.length - plan.forget.length
  const undoHint = `  Until ${plan.until} it can be taken back:  permafrost forget ${plan.forget[0]} --undo`
  return [
    ...(plan.decisions.length > 1 || dry ? table(output, COLUMNS, rows) : []),
    `${dry ? 'Would forget' : 'Forgot'} ${count}${kept > 0 ? `, and keep ${kept}` : ''}`,
    ...(plan.forget.length > 0 && !dry ? [undoHint] : []),
  ]
}
