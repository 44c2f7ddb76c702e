import { parseSelector } from '../core/selector.ts'
import { diffBackups, diffLive } from '../operations/diff.ts'
import { doctor } from '../operations/doctor.ts'
import { findBackup } from '../operations/find-backup.ts'
import { repositoryInfo } from '../operations/repo-info.ts'
import { show } from '../operations/show.ts'
import type { Repository } from '../repository/repository.ts'
import { readAudit } from '../repository/history.ts'
import { agentStatus } from './agent-status.ts'
import type { StatusSources } from './agent-status.ts'
import type { Call, Handlers } from './app.ts'
import { NotSignedIn } from './auth.ts'
import type { Auth } from './auth.ts'
import { auditEntry } from './contract/agent.ts'
import { scopeOf } from './contract/operations.ts'
import type { AnswerOf } from './contract/routes.ts'
import type { EngineLease } from './engine-lease.ts'
import { eventStream } from './event-stream.ts'
import { contextOf } from './execute.ts'
import { hasEnded } from './jobs.ts'
import { planOf } from './plans.ts'
import type { AgentPorts } from './ports.ts'
import { queryStreams } from './query-stream.ts'

/** What the routes are answered with. */
export interface HandlerContext extends Omit<StatusSources, 'ports'> {
  readonly ports: AgentPorts
  readonly auth: Auth
  readonly engines: EngineLease
  /** The repository for reading; opened once. */
  readonly repository: () => Promise<Repository>
}

/** The answer of each route. */
export function createHandlers(ctx: HandlerContext): Handlers {
  const { ports, auth, jobs, schedule, index, engines, repository } = ctx
  const nothing = () => undefined
  const query = queryStreams({ ports, repository })
  return {
    health: async () => ({ status: 'ok', version: ports.version }),
    session: async ({ principal }) => sessionAnswer(auth, principal),
    signIn: async ({ body, session }) => {
      const signedIn = auth.signIn(body.token)
      if (!signedIn) throw new NotSignedIn('this token is not known')
      session.set(signedIn.id, signedIn.principal.expires ?? '')
      return sessionAnswer(auth, signedIn.principal)
    },
    signOut: async ({ session }) => {
      if (session.id !== undefined) auth.signOut(session.id)
      session.clear()
      return sessionAnswer(auth, undefined)
    },

    status: () => agentStatus(ctx),
    backups: async ({ query: { which, host, tag } }) => {
      const backups = await index.list(which)
      const isWanted = (backup: (typeof backups)[number]) =>
        backup.outcome === 'damaged'
          ? host === undefined && tag === undefined
          : (host === undefined || backup.host === host) && (tag === undefined || backup.tags.includes(tag))
      return { backups: backups.filter(isWanted) }
    },
    backup: async ({ param, query: { detail, schema, table } }) => {
      const open = await repository()
      const summary = await findBackup(open, param('backup'))
      const selector = parseSelector(table === undefined ? [] : [table])
      const shown = await show(open, { backup: summary, selector, detail, schema })
      const listed = (await index.list()).find(({ id }) => id === summary.id)
      const { proven, damaged, drill, heldUntil } = listed?.outcome === 'read' ? listed : {}
      const proof = { ...(proven && { proven }), ...(damaged && { damaged }), ...(drill && { drill }) }
      return { ...shown, ...proof, ...(heldUntil && { heldUntil }) }
    },
    diff: ({ param, query: { against } }) => diffOf(ctx, param('backup'), against),

    operations: async ({ query: { limit, kind, state } }) => ({
      operations: jobs
        .list()
        .filter((one) => (kind === undefined || one.kind === kind) && (state === undefined || one.state === state))
        .slice(0, limit),
    }),
    start: async ({ body, principal, require, audited }) => {
      audited({ kind: body.kind })
      require(scopeOf(body))
      const { id } = jobs.start(body, principal?.name ?? '')
      audited({ kind: body.kind, operation: id })
      return { operation: await jobs.begun(id) }
    },
    plan: async ({ body, signal, audited }) => {
      audited({ kind: `${body.kind} (plan)` })
      return planOf(body, { ports, engines, emit: nothing, signal })
    },
    operation: async ({ param }) => {
      const { operation, log } = jobs.get(param('operation'))
      return { operation, log: log.after(0) }
    },
    operationEvents: async ({ param, lastEventId }) => {
      const id = param('operation')
      const { operation, log } = jobs.get(id)
      if (hasEnded(operation) && lastEventId >= log.last) return undefined
      return eventStream({
        replay: log.after(lastEventId),
        follow: (listener) => jobs.follow(id, listener),
        isLast: (entry) => entry.type === 'operation' && hasEnded(entry.operation),
      })
    },
    cancel: async ({ param, audited }) => {
      audited({ operation: param('operation') })
      return { operation: jobs.cancel(param('operation')) }
    },
    events: async () =>
      eventStream({
        replay: jobs
          .list()
          .filter((one) => !hasEnded(one))
          .flatMap(({ id }) => jobs.get(id).log.after(0))
          .filter(({ type }) => type === 'operation'),
        follow: (listener) => jobs.follow(undefined, listener),
        isLast: () => false,
      }),

    query: async ({ body, signal, audited }) => {
      audited({ kind: 'query' })
      return query(body, signal)
    },

    schedule: async () => scheduleAnswer(ctx),
    pause: async ({ principal }) => {
      schedule().pause()
      await jobs.note('pause', principal?.name ?? '')
      return scheduleAnswer(ctx)
    },
    resume: async ({ principal }) => {
      schedule().resume()
      await jobs.note('resume', principal?.name ?? '')
      return scheduleAnswer(ctx)
    },

    repository: async () => repositoryInfo(await repository(), ports.clock()),
    doctor: async ({ signal }) => ({
      checks: await engines.use((engine) =>
        doctor({
          ...contextOf({ ports, emit: nothing, signal }),
          openEngine: async () => engine,
          openRepository: () => ports.openRepository('write'),
        }),
      ),
    }),
    config: async () => ports.shownConfig(),
    audit: async ({ query: { limit } }) => ({
      entries: (await readAudit(await repository(), limit)).flatMap((entry) => auditEntry.safeParse(entry).data ?? []),
    }),
  }
}

function sessionAnswer(auth: Auth, principal: Call['principal']): AnswerOf<'session'> {
  const { name, scope, expires } = principal ?? {}
  return {
    required: auth.required(),
    authenticated: principal !== undefined,
    ...(name !== undefined && { name }),
    ...(scope !== undefined && { scope }),
    ...(expires !== undefined && { expires }),
  }
}

/** What comes next, and what should have come. */
export function scheduleAnswer({ schedule, jobs }: Pick<HandlerContext, 'schedule' | 'jobs'>): AnswerOf<'schedule'> {
  const operations = jobs.list()
  return {
    paused: schedule().isPaused,
    timezone: schedule().timezone,
    entries: schedule()
      .entries()
      .map(({ kind, cron, next }) => {
        const last = operations.find((one) => one.kind === kind)
        const good = operations.find((one) => one.kind === kind && one.state === 'ok')
        return {
          kind,
          cron,
          ...(next && { next: next.toISOString() }),
          ...(last && { last: last.started ?? last.queued, lastState: last.state }),
          overdue: schedule().isOverdue(kind, good && new Date(good.started ?? good.queued)),
        }
      }),
  }
}

async function diffOf(
  { repository, engines, index }: HandlerContext,
  name: string,
  against: string,
): Promise<AnswerOf<'diff'>> {
  const open = await repository()
  const { id, host, selection } = await findBackup(open, name)
  const selector = parseSelector([])
  if (against === 'live') {
    const tables = await engines.use((engine) => diffLive({ repository: open, engine }, { before: id, selector }))
    return { before: id, after: 'live', tables }
  }
  if (against !== 'previous') {
    const before = (await findBackup(open, against)).id
    return { before, after: id, tables: await diffBackups(open, { before, after: id, selector }) }
  }
  const all = (await index.list()).filter((backup) => backup.outcome === 'read')
  const position = all.findIndex((backup) => backup.id === id)
  const before = all
    .slice(0, position)
    .findLast((one) => one.host === host && one.selection.join(' ') === selection.join(' '))?.id
  if (before === undefined) return { before: 'nothing', after: id, tables: [] }
  return { before, after: id, tables: await diffBackups(open, { before, after: id, selector }) }
}
