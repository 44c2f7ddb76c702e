import { PermafrostError } from '../../core/errors.ts'
import { findBackup } from '../../operations/find-backup.ts'
import type { Repository } from '../../repository/repository.ts'
import type { Principal } from '../auth.ts'
import type { BackupIndex } from '../backup-index.ts'
import type { OperationRequest, PlanAnswer } from '../contract/operations.ts'
import type { Scope } from '../contract/shapes.ts'
import type { Jobs } from '../jobs.ts'
import type { CompatCommand } from './command.ts'

export interface CompatContext {
  readonly jobs: Jobs
  readonly index: BackupIndex
  readonly repository: () => Promise<Repository>
  readonly plan: (request: OperationRequest) => Promise<PlanAnswer>
  readonly clock: () => Date
}

/** A command that was taken: the operation that does it, or nothing when there was nothing to do. */
export interface Taken {
  readonly name: string
  readonly operation: string | undefined
}

type Run = (command: CompatCommand, who: Principal, ctx: CompatContext) => Promise<string | undefined>

const create: Run = async ({ tables, name }, who, { jobs }) => {
  const request = {
    kind: 'backup',
    tags: name === undefined ? [] : [name],
    ...(tables.length > 0 && { tables }),
  } as const
  return jobs.start(request, who.name).id
}
const restore: Run = async (command, who, ctx) => ctx.jobs.start(await restoreOf(command, ctx), who.name).id
const forget: Run = async ({ name }, who, ctx) =>
  ctx.jobs.start({ kind: 'forget', backups: [await idOf(name, ctx)] }, who.name).id
const kill: Run = async (_command, _who, { jobs }) => {
  const running = jobs.list().find(({ state }) => state === 'running')
  return running && jobs.cancel(running.id).id
}
const isThere: Run = async ({ name }, _who, ctx) => void (await idOf(name, ctx))
const nothing: Run = async () => undefined

/**
 * What clickhouse-backup can do. Its local and remote backups are one thing here: `create` stores, so `upload` and `download`
 * find it done; each backup is complete, so `rebase` does, too; nothing is left behind, so `clean` does.
 */
const COMMANDS: Readonly<Record<string, readonly [Scope, Run]>> = {
  create: ['operate', create],
  create_remote: ['operate', create],
  upload: ['operate', isThere],
  download: ['operate', isThere],
  rebase: ['operate', isThere],
  restore: ['operate', restore],
  restore_remote: ['operate', restore],
  delete: ['admin', forget],
  kill: ['operate', kill],
  clean: ['operate', nothing],
  clean_local_broken: ['operate', nothing],
  clean_remote_broken: ['operate', nothing],
}

/** What a command needs. @throws USAGE for one that has no counterpart */
export function scopeOfCommand({ verb, rm }: CompatCommand): Scope {
  const [scope] = known(verb)
  return rm ? 'admin' : scope
}

/** Do what clickhouse-backup would. @throws NOT_FOUND, USAGE */
export async function runCommand(given: CompatCommand, who: Principal, ctx: CompatContext): Promise<Taken> {
  const [, run] = known(given.verb)
  const isNew = given.verb.startsWith('create')
  // Its own names are times.
  const name = given.name ?? (isNew ? ctx.clock().toISOString().slice(0, 19).replaceAll(':', '-') : undefined)
  return { name: name ?? '', operation: await run({ ...given, name }, who, ctx) }
}

function known(verb: string): readonly [Scope, Run] {
  const command = COMMANDS[verb]
  if (command) return command
  throw new PermafrostError('USAGE', `${verb || 'nothing'} is no command that is answered here`, {
    hint: 'schedule: in the configuration does what watch did',
  })
}

async function restoreOf(
  { name, tables, schema, data, rm, mapping }: CompatCommand,
  ctx: CompatContext,
): Promise<OperationRequest> {
  const as = mapping?.split(':')[1]
  const request = {
    kind: 'restore',
    backup: await idOf(name, ctx),
    mode: rm ? 'replace' : schema && !data ? 'schema' : data && !schema ? 'data' : 'all',
    ...(tables.length > 0 && { tables }),
    ...(as !== undefined && { as }),
  } as const
  if (!rm) return request
  // It asks for no confirmation, and --rm is one: what it names is what the plan would ask for.
  const plan = await ctx.plan(request)
  return plan.kind === 'restore' && plan.confirm !== undefined ? { ...request, confirm: plan.confirm } : request
}

/** Its names are tags here; ids do as well. */
async function idOf(name: string | undefined, { index, repository }: CompatContext): Promise<string> {
  if (name === undefined) throw new PermafrostError('USAGE', 'which backup?')
  const backups = await index.list()
  const tagged = backups.findLast((backup) => backup.outcome === 'read' && backup.tags.includes(name))
  return tagged?.id ?? (await findBackup(await repository(), name)).id
}
