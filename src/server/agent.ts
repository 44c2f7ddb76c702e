import { createAdaptorServer } from '@hono/node-server'
import { createServer as createHttpsServer } from 'node:https'
import type { Server as SecureServer } from 'node:https'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PermafrostError } from '../core/errors.ts'
import type { Purpose, Repository } from '../repository/repository.ts'
import { tellCalls } from '../storage/tell-calls.ts'
import { createApp } from './app.ts'
import { createAudit } from './audit.ts'
import { createAuth } from './auth.ts'
import { backupIndex } from './backup-index.ts'
import { engineLease } from './engine-lease.ts'
import { execute } from './execute.ts'
import { isLoopback } from './guards.ts'
import { createHandlers, scheduleAnswer } from './handlers.ts'
import { createHistory } from './history.ts'
import { createJobs } from './jobs.ts'
import { createMetrics } from './metrics.ts'
import type { Metrics } from './metrics.ts'
import { addMoreRoutes } from './more-routes.ts'
import { observe } from './observe.ts'
import type { AgentPorts, AgentSettings } from './ports.ts'
import { createSchedule } from './schedule.ts'

/** A running agent. */
export interface Agent {
  readonly url: string
  /** Go by the configuration as it is now; what runs goes on. @throws CONFIG_INVALID, and goes on as before */
  reload(): void
  /** Take nothing more, end what runs in good order, and resolve when all is ended. */
  stop(): Promise<void>
}

/**
 * Start the agent: history, runner, schedule, HTTP.
 *
 * @throws CONFIG_INVALID for a public address without tokens and TLS, CONFLICT when the port is taken
 */
export async function startAgent(outer: AgentPorts): Promise<Agent> {
  const metrics = createMetrics(outer.version, outer.storeUsage)
  const ports = metered(outer, metrics)
  const { clock, random, log, hostname } = ports
  let settings = ports.settings()
  refusePublic(settings)
  const repositories = openOnce(ports)
  const engines = engineLease(ports.openEngine)
  const history = createHistory(() => repositories.open('write'), ports)
  const jobs = createJobs({
    execute: (request, at) => execute(request, { ...at, ports, engines }),
    record: history.record,
    host: hostname,
    clock,
    random,
    history: await history.load(),
  })
  let schedule = createSchedule(settings, jobs, ports)
  const auth = createAuth({ tokens: () => settings.tokens, clock, random })
  const repository = () => repositories.open('read')
  const index = backupIndex(repository, clock)
  const audit = createAudit(() => repositories.open('write'), ports)
  const notices = observe(jobs, metrics, { settings: () => settings, ports })
  const context = { ports, auth, jobs, schedule: () => schedule, index, engines, repository, started: clock() }
  const handlers = createHandlers(context)
  const app = createApp({
    handlers,
    auth,
    clock,
    log,
    audit: audit.write,
    secure: settings.tls !== undefined,
    more: (more, guard) => addMoreRoutes(more, { ...context, metrics, audit, compat: settings.compat }, guard),
  })
  const server = createAdaptorServer({
    fetch: app.fetch,
    ...(settings.tls ? { createServer: createHttpsServer, serverOptions: settings.tls } : { createServer }),
  }) as Server | SecureServer
  await listen(server, settings)
  const timer = ticker(() => {
    for (const { kind, overdue } of scheduleAnswer(context).entries) notices.overdue(kind, overdue)
    return schedule.tick()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${settings.tls ? 'https' : 'http'}://${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${port}`,
    reload: () => {
      const fresh = ports.settings()
      refusePublic(fresh)
      // The socket stays where it is, whatever the configuration says of it now.
      refusePublic({ ...fresh, host: settings.host })
      schedule = createSchedule(fresh, jobs, ports)
      settings = { ...fresh, host: settings.host }
      repositories.forget()
      if (fresh.tls && 'setSecureContext' in server) server.setSecureContext(fresh.tls)
      timer.now()
    },
    stop: async () => {
      timer.stop()
      await jobs.stop()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await audit.flush()
    },
  }
}

/** Every call of a store is counted. */
function metered(ports: AgentPorts, metrics: Metrics): AgentPorts {
  const counted = (repository: Repository): Repository => {
    const { storage } = repository
    return { ...repository, storage: tellCalls(storage, (call) => metrics.stored(storage.location, call)) }
  }
  return {
    ...ports,
    openRepository: async (purpose) => counted(await ports.openRepository(purpose)),
    copyPlaces: () =>
      ports.copyPlaces().map(({ location, open }) => ({ location, open: async () => counted(await open()) })),
  }
}

/** Whoever is not on this machine has to sign in, and nobody in between may listen. */
function refusePublic({ host, tokens, tls }: AgentSettings): void {
  if (isLoopback(host) || (tokens && tokens.length > 0 && tls)) return
  const lacks = tokens && tokens.length > 0 ? 'is no TLS' : 'are no tokens'
  throw new PermafrostError('CONFIG_INVALID', `agent.listen: ${host} is reached from elsewhere, and there ${lacks}`, {
    hint: [
      'permafrost agent token add <name> --scope read',
      'set agent.certificate and agent.private-key',
      'or listen on 127.0.0.1, behind a proxy',
    ],
  })
}

/** Repositories stay open: unlocking one may take a passphrase’s half second. One that failed to open is tried again. */
function openOnce(ports: AgentPorts) {
  const opened = new Map<Purpose, Promise<Repository>>()
  return {
    open: (purpose: Purpose): Promise<Repository> => {
      const known = opened.get(purpose)
      if (known) return known
      const fresh = ports.openRepository(purpose)
      opened.set(purpose, fresh)
      fresh.catch(() => opened.delete(purpose))
      return fresh
    },
    forget: () => opened.clear(),
  }
}

/** Calls again when it was told to. */
function ticker(tick: () => number): { readonly now: () => void; readonly stop: () => void } {
  let timer: NodeJS.Timeout
  const now = (): void => {
    clearTimeout(timer)
    timer = setTimeout(now, tick())
  }
  now()
  return { now, stop: () => clearTimeout(timer) }
}

async function listen(server: Server | SecureServer, { host, port }: AgentSettings): Promise<void> {
  await new Promise<void>((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const message =
        error.code === 'EADDRINUSE'
          ? `agent.listen: something listens at ${host}:${port} already`
          : `agent.listen: ${host}:${port} cannot be listened at`
      fail(new PermafrostError('CONFLICT', message, { hint: 'choose another agent.listen', cause: error }))
    })
    server.listen(port, host, done)
  })
}
