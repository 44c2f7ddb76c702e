import type { Context, Hono } from 'hono'
import { PermafrostError, toPermafrostError } from '../../core/errors.ts'
import { parseSelector, selects } from '../../core/selector.ts'
import { isMergeTree, readCatalog } from '../../engine/catalog.ts'
import type { Audited } from '../app.ts'
import type { Principal } from '../auth.ts'
import type { ListedBackupAnswer } from '../contract/backups.ts'
import type { OperationState } from '../contract/operations.ts'
import type { Scope } from '../contract/shapes.ts'
import type { EngineLease } from '../engine-lease.ts'
import { problemOf } from '../problem.ts'
import { commandOf, parseCommand } from './command.ts'
import type { CompatCommand } from './command.ts'
import { runCommand, scopeOfCommand } from './run-command.ts'
import type { CompatContext, Taken } from './run-command.ts'

export interface CompatRoutes extends CompatContext {
  readonly engines: EngineLease
  readonly version: string
  /** Patterns of the tables that are backed up. */
  readonly tables: () => readonly string[]
  readonly guard: (c: Context, scope: Scope) => Principal
  /** Writes down who changed what, or wanted to. */
  readonly audit: (c: Context, entry: Pick<Audited, 'by' | 'outcome'> & { readonly command: string }) => void
}

interface Entry {
  readonly command: string
  readonly start: string
  /** Absent when there was nothing to do. */
  readonly operation: string | undefined
}

/** Commands that are remembered; the operations themselves are in the history. */
const MOST_ENTRIES = 1000

/**
 * The routes of clickhouse-backup, so that what calls them goes on working. Changes are by POST only: its GETs that change
 * something would do so for any page that a browser shows.
 */
export function addCompatRoutes(app: Hono, routes: CompatRoutes): void {
  const { guard, jobs, clock } = routes
  const entries: Entry[] = []
  const take = async (c: Context, command: CompatCommand): Promise<Taken> => {
    let by = 'nobody'
    let outcome = 202
    try {
      by = guard(c, 'read').name
      const who = guard(c, scopeOfCommand(command))
      const taken = await runCommand(command, who, routes)
      if (taken.operation !== undefined) await jobs.begun(taken.operation)
      entries.push({ command: command.text, start: stamp(clock().toISOString()), operation: taken.operation })
      if (entries.length > MOST_ENTRIES) entries.shift()
      return taken
    } catch (error) {
      outcome = problemOf(error).status
      throw error
    } finally {
      routes.audit(c, { by, outcome, command: command.text })
    }
  }
  const acknowledge = async (c: Context, verb: string): Promise<Response> => {
    const given = new Map(Object.entries(c.req.query()).map(([key, value]) => [key.replaceAll('_', '-'), value]))
    const name = c.req.param('name') ?? given.get('name')
    const text = [
      verb,
      ...[...given].map(([key, value]) => (value ? `--${key}=${value}` : `--${key}`)),
      name ?? '',
    ].join(' ')
    try {
      const taken = await take(
        c,
        commandOf({ verb, name, text: text.trim() }, (flag) => given.get(flag)),
      )
      if (verb === 'delete' && taken.operation !== undefined) {
        const { state, error } = await jobs.ended(taken.operation)
        if (state !== 'ok') throw new PermafrostError('CONFLICT', error?.detail ?? `it ended as ${state}`)
      }
      const isSync = ['delete', 'clean', 'kill', 'clean_local_broken', 'clean_remote_broken'].includes(verb)
      return rows(
        c,
        [
          {
            status: isSync ? 'success' : 'acknowledged',
            operation: verb,
            backup_name: taken.name,
            operation_id: taken.operation ?? '',
          },
        ],
        verb.startsWith('create') ? 201 : 200,
      )
    } catch (error) {
      return refusal(c, verb, error)
    }
  }

  for (const verb of ['create', 'create_remote', 'clean', 'kill'])
    app.post(`/backup/${verb}`, (c) => acknowledge(c, verb))
  for (const verb of ['upload', 'download', 'restore', 'restore_remote', 'rebase'])
    app.post(`/backup/${verb}/:name`, (c) => acknowledge(c, verb))
  app.post('/backup/delete/:where/:name', (c) => acknowledge(c, 'delete'))
  app.post('/backup/clean/:what', (c) => acknowledge(c, `clean_${c.req.param('what')}`))

  app.get('/backup/version', (c) => c.json({ version: `permafrost ${routes.version}` }))
  app.get('/health', (c) => c.json({ status: 'OK' }))
  app.get('/backup/list/:where?', async (c) => {
    guard(c, 'read')
    // Nothing lies on the server's own disk.
    const backups = c.req.param('where') === 'local' ? [] : await routes.index.list()
    return rows(c, backups.map(listRow))
  })
  app.get('/backup/tables/:all?', async (c) => {
    guard(c, 'read')
    const selector = parseSelector(c.req.param('all') === undefined ? routes.tables() : ['*.*'])
    const catalog = await routes.engines.use(async (engine) => readCatalog(engine, await engine.describe()))
    const tables = catalog.filter((table) => selects(selector, table))
    return rows(
      c,
      tables.map((table) => ({
        database: table.database,
        name: table.name,
        engine: table.engine,
        skip: !isMergeTree(table),
      })),
    )
  })
  const shown = () => entries.map((entry) => statusRow(entry, routes))
  app.get('/backup/status', (c) => {
    guard(c, 'read')
    const wanted = c.req.query('operationid')
    const all = shown()
    if (wanted !== undefined)
      return rows(
        c,
        all.filter(({ operation_id }) => operation_id === wanted),
      )
    const running = all.filter(({ status }) => status === 'in progress')
    return rows(c, running.length > 0 ? running : all.slice(-1))
  })
  app.get('/backup/actions', (c) => {
    guard(c, 'read')
    const filter = c.req.query('filter') ?? ''
    const last = Number(c.req.query('last') ?? 0)
    return rows(
      c,
      shown()
        .filter(({ command }) => command.includes(filter))
        .slice(last > 0 ? -last : 0),
    )
  })
  app.post('/backup/actions', async (c) => {
    const answers: object[] = []
    for (const line of (await c.req.text()).split('\n').filter((text) => text.trim() !== '')) {
      const { command } = JSON.parse(line) as { readonly command?: unknown }
      const { name, operation } = await take(c, parseCommand(String(command)))
      answers.push({
        status: 'acknowledged',
        operation: String(command),
        backup_name: name,
        operation_id: operation ?? '',
      })
    }
    return rows(c, answers, 201)
  })
}

/** JSONEachRow. */
function rows(c: Context, values: readonly object[], status: 200 | 201 = 200): Response {
  c.header('Content-Type', 'application/json; charset=UTF-8')
  return c.body(values.map((value) => `${JSON.stringify(value)}\n`).join(''), status)
}

function refusal(c: Context, operation: string, error: unknown): Response {
  const { code, message } = toPermafrostError(error)
  if (code === 'UNAUTHORIZED' || code === 'FORBIDDEN' || code === 'TOO_MANY' || code === 'INTERNAL') throw error
  return c.json({ status: 'error', operation, error: message }, code === 'NOT_FOUND' ? 404 : 500)
}

const STATUS: Readonly<Record<OperationState, string>> = {
  queued: 'in progress',
  running: 'in progress',
  ok: 'success',
  incomplete: 'success',
  damaged: 'error',
  failed: 'error',
  cancelled: 'cancel',
  interrupted: 'error',
}

function statusRow({ command, start, operation }: Entry, { jobs }: CompatContext) {
  if (operation === undefined) return { command, status: 'success', start, finish: start, error: '', operation_id: '' }
  const { state, finished, error } = jobs.get(operation).operation
  return {
    command,
    status: STATUS[state],
    start,
    finish: finished === undefined ? '' : stamp(finished),
    error: error?.detail ?? '',
    operation_id: operation,
  }
}

function listRow(backup: ListedBackupAnswer) {
  const nothing = { object_disk_size: 0, metadata_size: 0, rbac_size: 0, config_size: 0, named_collection_size: 0 }
  const fixed = { ...nothing, location: 'remote', required: '' }
  if (backup.outcome === 'damaged')
    return { name: backup.id, created: '', size: 0, data_size: 0, compressed_size: 0, ...fixed, desc: 'broken' }
  return {
    name: backup.tags[0] ?? backup.id,
    created: stamp(backup.finished),
    size: backup.logical,
    data_size: backup.logical,
    compressed_size: backup.stored,
    ...fixed,
    desc: 'regular',
  }
}

/** `2026-11-25 05:00:00` */
function stamp(time: string): string {
  return time.slice(0, 19).replace('T', ' ')
}
