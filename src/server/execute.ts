import { PermafrostError } from '../core/errors.ts'
import { HOLD } from '../core/retention.ts'
import { parseNames } from '../core/parse-names.ts'
import { parsePartitionChoice, parseSelector } from '../core/selector.ts'
import type { Context } from '../operations/context.ts'
import { backup } from '../operations/backup.ts'
import { prepareCopy } from '../operations/copy.ts'
import type { PreparedCopy } from '../operations/copy.ts'
import { copyToAll } from '../operations/copy-to-all.ts'
import type { CopyPlace } from '../operations/status.ts'
import { prepareDrill } from '../operations/drill.ts'
import { drillProblems } from '../operations/drill-problems.ts'
import { findBackup } from '../operations/find-backup.ts'
import { prepareForget } from '../operations/forget.ts'
import type { PreparedForget } from '../operations/forget.ts'
import { pin } from '../operations/pin.ts'
import { preparePrune } from '../operations/prune.ts'
import type { PreparedPrune } from '../operations/prune.ts'
import { prepareRestore } from '../operations/restore.ts'
import type { PreparedRestore } from '../operations/restore.ts'
import { takeBack } from '../operations/take-back.ts'
import { verify } from '../operations/verify.ts'
import { backupIds } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'
import { replacedName } from '../core/replaced-name.ts'
import type { OperationRequest, RequestOf } from './contract/operations.ts'
import type { EngineLease } from './engine-lease.ts'
import type { AgentPorts } from './ports.ts'

/** What an operation is carried out with. */
export interface ExecuteContext extends Pick<Context, 'emit' | 'signal'> {
  readonly ports: AgentPorts
  readonly engines: EngineLease
}

/** Carry out what was asked for. @returns what the command of this name prints with `--json` */
export async function execute(request: OperationRequest, ctx: ExecuteContext): Promise<unknown> {
  switch (request.kind) {
    case 'backup':
      return runBackup(request, ctx)
    case 'verify':
      return runVerify(request, ctx)
    case 'restore':
      return ctx.engines.use(async (engine) => {
        const repository = await ctx.ports.openRepository('read')
        const prepared = await restorePlan(request, { ...contextOf(ctx), repository, engine })
        refuseUnconfirmed(replacedName(prepared.plan), request.confirm)
        return prepared.run()
      })
    case 'forget':
      return runForget(request, ctx)
    case 'hold': {
      const repository = await ctx.ports.openRepository('write')
      const { id } = await findBackup(repository, request.backup)
      await pin({ ...contextOf(ctx), repository }, { backup: id, reason: HOLD, until: new Date(request.until) })
      return { held: [id], until: request.until }
    }
    case 'prune': {
      const prepared = await prunePlan(request, ctx)
      return { plan: pruneJson(prepared), collected: await prepared.run() }
    }
    case 'drill':
      return runDrill(request, ctx)
    case 'copy': {
      const { places, prepare } = await copying(request, ctx)
      const copyTo = async (target: Repository) => {
        const prepared = await prepare(target)
        return { plan: prepared.plan, result: await prepared.run() }
      }
      return { copies: await copyToAll(places, copyTo, ctx) }
    }
  }
}

/** Everything but the repository and the engine. */
export function contextOf({
  ports,
  emit,
  signal,
}: Omit<ExecuteContext, 'engines'>): Omit<Context, 'repository' | 'engine'> {
  const { disk, clock, random, limits, self, version } = ports
  return { disk, clock, random, limits, self, version, emit, signal }
}

function runBackup(request: RequestOf<'backup'>, ctx: ExecuteContext): Promise<unknown> {
  const {
    tables = ctx.ports.settings().tables,
    tags = [],
    applyPatches = false,
    nonMergeTree = false,
    keepUntil,
  } = request
  return ctx.engines.use(async (engine) => {
    const whole = { ...contextOf(ctx), engine, repository: await ctx.ports.openRepository('write') }
    const result = await backup(whole, { selector: parseSelector(tables), tags, applyPatches, nonMergeTree })
    if (keepUntil !== undefined)
      await pin(whole, { backup: result.summary.id, reason: HOLD, until: new Date(keepUntil) })
    return result
  })
}

async function runVerify(
  { level, tables = [], sample, ...which }: RequestOf<'verify'>,
  ctx: ExecuteContext,
): Promise<unknown> {
  const repository = await ctx.ports.openRepository('check')
  const backups = await chosenIds(repository, which)
  return verify({ ...contextOf(ctx), repository }, { backups, level, selector: parseSelector(tables), sample })
}

/** What did not pass is no success of the operation, either; its tables are in the repository's record. */
async function runDrill({ backup: name, tables = [] }: RequestOf<'drill'>, ctx: ExecuteContext): Promise<unknown> {
  const repository = await ctx.ports.openRepository('check')
  const found = await findBackup(repository, name)
  const options = { ...ctx.ports.settings().drill, selector: parseSelector(tables), scratch: ctx.ports.scratch() }
  const prepared = await prepareDrill({ ...contextOf(ctx), repository }, { ...options, backup: found })
  const result = await prepared.run()
  if (result.passed) return result
  const [first = ''] = drillProblems(result)
  throw new PermafrostError(result.damaged ? 'DAMAGED' : 'DRILL_FAILED', `the drill did not pass: ${first}`, {
    hint: `permafrost show ${found.id}`,
  })
}

/** Plan a restore, as the plan route and the operation do it. */
export async function restorePlan(request: RequestOf<'restore'>, ctx: Context): Promise<PreparedRestore> {
  const { backup: name, tables = [], partitions = [], as = [] } = request
  const { mode, queues, engine, replicaPath, dropReplica, anyVersion, access } = request
  const wish = { mode, queues, engine, replicaPath, dropReplica, anyVersion, access }
  return prepareRestore(ctx, {
    backup: await findBackup(ctx.repository, name),
    selector: parseSelector(tables),
    partitions: partitions.map(parsePartitionChoice),
    wish: { ...wish, ...parseNames([as].flat()) },
  })
}

async function runForget(request: RequestOf<'forget'>, ctx: ExecuteContext): Promise<unknown> {
  const repository = await ctx.ports.openRepository('write')
  if (request.undo) {
    const ids = await backupIds(repository, 'forgotten')
    const backups = (request.backups ?? []).map((name) => ids.find((id) => id.startsWith(name)) ?? name)
    for (const one of backups) await takeBack({ ...contextOf(ctx), repository }, one)
    return { restored: backups }
  }
  const { prepared, confirm } = await forgetPlan(request, { ...contextOf(ctx), repository, ports: ctx.ports })
  refuseUnconfirmed(confirm, request.confirm)
  await prepared.run()
  return prepared.plan
}

/** Plan a forget; more than half of all, and it has to be confirmed by the host's name. */
export async function forgetPlan(
  { backups: names = [] }: RequestOf<'forget'>,
  { ports, ...ctx }: Omit<Context, 'engine'> & { readonly ports: AgentPorts },
): Promise<{ readonly prepared: PreparedForget; readonly confirm: string | undefined }> {
  const { policy, grace } = ports.settings().retention
  const ids = await idsOf(ctx.repository, names)
  const prepared = await prepareForget(ctx, { ids, policy, grace })
  const all = ids.length > 0 ? await backupIds(ctx.repository) : prepared.plan.decisions
  const host = prepared.plan.decisions.find(({ keep }) => !keep)?.summary.host
  const severe = ids.length !== 1 && prepared.plan.forget.length * 2 > all.length
  return { prepared, confirm: severe ? host : undefined }
}

/** Where copies go, and what is to be copied there. */
export async function copying(request: RequestOf<'copy'>, ctx: ExecuteContext): Promise<Copying> {
  const places = ctx.ports.copyPlaces()
  if (places.length === 0)
    throw new PermafrostError('CONFIG_INVALID', 'copy.to names no other repository', {
      hint: 'copy: { to: ["s3://elsewhere/backups"] }',
    })
  const source = await ctx.ports.openRepository('read')
  const ids = await chosenIds(source, request)
  return { places, prepare: (target) => prepareCopy({ ...contextOf(ctx), source, target }, ids) }
}

export interface Copying {
  readonly places: readonly CopyPlace[]
  readonly prepare: (target: Repository) => Promise<PreparedCopy>
}

export async function prunePlan({ confirm }: RequestOf<'prune'>, ctx: ExecuteContext): Promise<PreparedPrune> {
  const repository = await ctx.ports.openRepository('collect')
  if (confirm !== undefined) refuseUnconfirmed(repository.format.id, confirm)
  return preparePrune({ ...contextOf(ctx), repository }, { confirmed: confirm !== undefined })
}

export function pruneJson({ plan }: PreparedPrune) {
  const { dead, deadBytes, totalBytes, packs, gone } = plan
  return { dead: [...dead.keys()], deadBytes, totalBytes, packs, backups: [...gone.keys()] }
}

/** A severe act has to name what it is done to. */
function refuseUnconfirmed(name: string | undefined, given: string | undefined): void {
  if (name === undefined || name === given) return
  throw new PermafrostError('USAGE', `this has to be confirmed by the name ${name}`, { hint: `"confirm": "${name}"` })
}

async function chosenIds(
  repository: Repository,
  { all = false, backups = ['latest'] }: Pick<RequestOf<'verify' | 'copy'>, 'all' | 'backups'>,
): Promise<readonly string[]> {
  return all ? backupIds(repository) : idsOf(repository, backups)
}

async function idsOf(repository: Repository, names: readonly string[]): Promise<readonly string[]> {
  return Promise.all(names.map(async (name) => (await findBackup(repository, name)).id))
}
