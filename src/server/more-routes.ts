import type { Context, Hono } from 'hono'
import { agentStatus } from './agent-status.ts'
import type { Audit } from './audit.ts'
import type { Principal } from './auth.ts'
import { compatMetrics } from './compat/metrics.ts'
import { addCompatRoutes } from './compat/routes.ts'
import { consoleFiles } from './console-files.ts'
import { API } from './contract/routes.ts'
import type { Scope } from './contract/shapes.ts'
import { addressOf } from './guards.ts'
import { scheduleAnswer } from './handlers.ts'
import type { HandlerContext } from './handlers.ts'
import type { Metrics } from './metrics.ts'
import { openApi } from './openapi.ts'
import { planOf } from './plans.ts'

export interface MoreRoutes extends HandlerContext {
  readonly metrics: Metrics
  readonly audit: Audit
  readonly compat: boolean
}

/** What is served beside the table of routes: metrics, the OpenAPI document, clickhouse-backup’s routes, the console. */
export function addMoreRoutes(app: Hono, ctx: MoreRoutes, guard: (c: Context, scope: Scope) => Principal): void {
  const { ports, metrics, jobs, index, engines, repository, compat } = ctx
  const { version, clock } = ports
  app.get(`${API}/openapi.json`, (c) => c.json(openApi(version)))
  app.get('/metrics', async (c) => {
    guard(c, 'read')
    const status = await agentStatus(ctx)
    metrics.stands(status, scheduleAnswer(ctx))
    const more = compat ? compatMetrics(jobs.list(), status.backups) : ''
    return c.body((await metrics.text()) + more, 200, { 'Content-Type': metrics.contentType })
  })
  if (compat) {
    addCompatRoutes(app, {
      jobs,
      index,
      engines,
      repository,
      clock,
      version,
      tables: () => ports.settings().tables,
      guard,
      plan: (request) =>
        planOf(request, { ports, engines, emit: () => undefined, signal: new AbortController().signal }),
      audit: (c, { by, outcome, command }) =>
        ctx.audit.write({
          at: clock().toISOString(),
          by,
          address: addressOf(c),
          action: `POST ${c.req.path} ${command}`,
          outcome,
        }),
    })
  }
  app.get('*', consoleFiles(ports.console))
}
