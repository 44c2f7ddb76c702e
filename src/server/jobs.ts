import { makeBackupId } from '../core/backup-id.ts'
import { hasCode, PermafrostError, toPermafrostError } from '../core/errors.ts'
import type { Emit, Finding } from '../core/events.ts'
import { collectFindings } from '../core/events.ts'
import type { LogEntry, Operation, OperationKind, OperationRequest, OperationState } from './contract/operations.ts'
import { createJobLog, entryOf } from './job-log.ts'
import type { JobLog } from './job-log.ts'
import { problemOf } from './problem.ts'

/** An operation that waits or runs, or that ran since the agent was started or shortly before. */
export interface Job {
  readonly operation: Operation
  readonly log: JobLog
}

/** Does the work of an operation; its findings are among the events. */
export type Execute = (
  request: OperationRequest,
  at: { readonly emit: Emit; readonly signal: AbortSignal },
) => Promise<unknown>

/** One runner for everything that the agent does, whoever asked for it. */
export interface Jobs {
  start(request: OperationRequest, by: string): Operation
  /** Something that happened at once, for the history. */
  note(kind: OperationKind, by: string): Promise<Operation>
  /** Newest first. */
  list(): readonly Operation[]
  /** @throws NOT_FOUND */
  get(id: string): Job
  /** @throws NOT_FOUND, CONFLICT when it has ended */
  cancel(id: string): Operation
  /** Called with each new entry of this operation, or of all. @returns how to stop that */
  follow(id: string | undefined, listener: (entry: LogEntry) => void): () => void
  /** Resolves when it is written down that this operation was asked for: from then on, every agent knows of it. */
  begun(id: string): Promise<Operation>
  /** Resolves when this operation has ended and is written down. */
  ended(id: string): Promise<Operation>
  /** Take nothing more, end what runs in good order, and resolve when it has ended. */
  stop(): Promise<void>
}

export interface JobOptions {
  readonly execute: Execute
  /** Writes an operation down, when it is asked for and at its end. Never throws: history is no reason to fail. */
  readonly record: (stage: 'begin' | 'end', job: Job) => Promise<void>
  readonly host: string
  readonly clock: () => Date
  readonly random: (size: number) => Uint8Array
  /** Jobs of earlier runs, oldest first. */
  readonly history: readonly Job[]
}

/**
 * What uses the server waits for what uses the server, and what reads or cleans the repository for its like; the two go side
 * by side: a verify that takes a day must not hold up the backups, and the repository needs no lock.
 */
const LANES: Readonly<Record<OperationRequest['kind'], 'server' | 'repository'>> = {
  backup: 'server',
  restore: 'server',
  verify: 'repository',
  drill: 'repository',
  forget: 'repository',
  hold: 'repository',
  copy: 'repository',
  prune: 'repository',
}

/** Ended operations that are kept at hand; older ones are in the repository. */
const MOST_KEPT = 1000

interface Running extends Job {
  operation: Operation
  readonly request: OperationRequest
  readonly abort: AbortController
  readonly begun: PromiseWithResolvers<void>
  readonly ended: PromiseWithResolvers<Operation>
  readonly listeners: Set<(entry: LogEntry) => void>
}

export function createJobs(options: JobOptions): Jobs {
  const { execute, record, host, clock, random } = options
  const jobs = new Map<string, Job | Running>(options.history.map((job) => [job.operation.id, job]))
  const everything = new Set<(entry: LogEntry) => void>()
  const queue: Running[] = []
  const busy = new Map<'server' | 'repository', Running>()
  let stopping = false
  const now = () => clock().toISOString()

  const say = (job: Running, entry: Parameters<JobLog['append']>[0]): void => {
    const numbered = job.log.append(entry)
    for (const listener of job.listeners) listener(numbered)
    if (entry.type === 'operation') for (const listener of everything) listener(numbered)
  }
  const change = (job: Running, changes: Partial<Operation>): void => {
    job.operation = { ...job.operation, ...changes }
    say(job, { type: 'operation', at: now(), operation: job.operation })
  }
  const emitOf =
    (job: Running): Emit =>
    (event) => {
      const entry = entryOf(event, now())
      if (!entry) return
      if (event.type === 'phase') job.operation = { ...job.operation, phase: event.phase }
      if (event.type === 'progress') {
        const { phase, done, total, current } = event
        job.operation = { ...job.operation, progress: { phase, done, total, current } }
      }
      if (event.type === 'finding') job.operation = { ...job.operation, findings: job.operation.findings + 1 }
      say(job, entry)
    }

  const next = (): void => {
    const index = stopping ? -1 : queue.findIndex(({ request }) => !busy.has(LANES[request.kind]))
    const [job] = index < 0 ? [] : queue.splice(index, 1)
    if (!job) return
    const lane = LANES[job.request.kind]
    busy.set(lane, job)
    void run(job).finally(() => {
      busy.delete(lane)
      next()
    })
    next()
  }
  const run = async (job: Running): Promise<void> => {
    change(job, { state: 'running', started: now() })
    await job.begun.promise
    const { emit, findings } = collectFindings(emitOf(job))
    const { signal } = job.abort
    try {
      signal.throwIfAborted()
      const result = await execute(job.request, { emit, signal })
      await end(job, { state: stateOf(findings), result })
    } catch (error) {
      await end(job, failure(error, { cancelled: signal.aborted, stopping }))
    }
  }
  const end = async (job: Running, outcome: Partial<Operation>): Promise<void> => {
    job.operation = { ...job.operation, ...outcome, finished: now() }
    await record('end', job)
    change(job, {})
    job.ended.resolve(job.operation)
    job.listeners.clear()
    trim(jobs)
  }
  const add = (request: OperationRequest | { readonly kind: OperationKind }, by: string): Running => {
    const at = clock()
    const { kind, ...rest } = request
    const operation: Operation = {
      id: makeBackupId(at, random(6)),
      kind,
      state: 'queued',
      by,
      host,
      request: rest,
      queued: at.toISOString(),
      findings: 0,
    }
    const job: Running = {
      operation,
      request: request as OperationRequest,
      log: createJobLog(),
      abort: new AbortController(),
      begun: Promise.withResolvers<void>(),
      ended: Promise.withResolvers<Operation>(),
      listeners: new Set(),
    }
    jobs.set(operation.id, job)
    change(job, {})
    return job
  }
  const get = (id: string): Job | Running => {
    const job = jobs.get(id)
    if (job) return job
    throw new PermafrostError('NOT_FOUND', `no operation ${id}`, { hint: 'permafrost operations' })
  }

  return {
    start: (request, by) => {
      if (stopping) throw new PermafrostError('CANCELLED', 'the agent is stopping, and starts nothing more')
      const job = add(request, by)
      void record('begin', job).then(job.begun.resolve)
      queue.push(job)
      next()
      return job.operation
    },
    note: async (kind, by) => {
      const job = add({ kind }, by)
      await end(job, { state: 'ok', started: job.operation.queued })
      return job.operation
    },
    list: () => [...jobs.values()].map(({ operation }) => operation).toReversed(),
    get,
    cancel: (id) => {
      const job = get(id)
      if (!isRunning(job) || hasEnded(job.operation))
        throw new PermafrostError('CONFLICT', `operation ${id} has ended already: ${job.operation.state}`)
      const waits = queue.indexOf(job)
      if (waits >= 0) {
        queue.splice(waits, 1)
        void end(job, { state: 'cancelled' })
      } else job.abort.abort(new PermafrostError('CANCELLED', 'stopped on request'))
      return job.operation
    },
    follow: (id, listener) => {
      const job = id === undefined ? undefined : get(id)
      const listeners = job ? (isRunning(job) ? job.listeners : undefined) : everything
      listeners?.add(listener)
      return () => void listeners?.delete(listener)
    },
    begun: async (id) => {
      const job = get(id)
      if (isRunning(job)) await job.begun.promise
      return job.operation
    },
    ended: async (id) => {
      const job = get(id)
      return isRunning(job) ? job.ended.promise : job.operation
    },
    stop: async () => {
      stopping = true
      const waiting = queue.splice(0)
      for (const job of busy.values()) job.abort.abort(new PermafrostError('CANCELLED', 'the agent is stopping'))
      await Promise.all([
        ...waiting.map((job) => end(job, { state: 'interrupted' })),
        ...[...busy.values()].map((job) => job.ended.promise),
      ])
    },
  }
}

export function hasEnded({ state }: Operation): boolean {
  return state !== 'queued' && state !== 'running'
}

function isRunning(job: Job | Running): job is Running {
  return 'abort' in job
}

function stateOf(findings: readonly Finding[]): OperationState {
  if (findings.some(({ severity }) => severity === 'damage')) return 'damaged'
  return findings.some(({ severity }) => severity === 'incomplete') ? 'incomplete' : 'ok'
}

/** Whatever is thrown while stopping came of the stop. */
function failure(
  error: unknown,
  { cancelled, stopping }: { readonly cancelled: boolean; readonly stopping: boolean },
): Partial<Operation> {
  if (cancelled || hasCode(error, 'CANCELLED')) return { state: stopping ? 'interrupted' : 'cancelled' }
  const known = toPermafrostError(error)
  return { state: known.code === 'DAMAGED' ? 'damaged' : 'failed', error: problemOf(known) }
}

function trim(jobs: Map<string, Job>): void {
  for (const [id, { operation }] of jobs) {
    if (jobs.size <= MOST_KEPT) return
    if (hasEnded(operation)) jobs.delete(id)
  }
}
