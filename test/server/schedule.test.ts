import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { PermafrostError } from '../../src/core/errors.ts'
import type {
  Operation,
  OperationKind,
  OperationRequest,
  OperationState,
} from '../../src/server/contract/operations.ts'
import { createJobLog } from '../../src/server/job-log.ts'
import { createJobs } from '../../src/server/jobs.ts'
import type { Execute, Job, Jobs } from '../../src/server/jobs.ts'
import { createMetrics } from '../../src/server/metrics.ts'
import { observe } from '../../src/server/observe.ts'
import type { AgentPorts, AgentSettings } from '../../src/server/ports.ts'
import { createSchedule } from '../../src/server/schedule.ts'
import type { Schedule } from '../../src/server/schedule.ts'

// The runner and the schedule themselves, on a clock that the test moves, with operations that the test ends.

interface Stage {
  readonly jobs: Jobs
  schedule: Schedule
  /** Move the clock, and look. */
  at(time: string): void
  started(): readonly string[]
  /** End what runs, well or not. */
  finish(failure?: PermafrostError): Promise<void>
  readonly settings: AgentSettings
  readonly clock: () => Date
  readonly log: string[]
}

interface StageOptions {
  readonly now: string
  readonly cron?: Partial<AgentSettings['schedule']['cron']>
  readonly schedule?: Partial<AgentSettings['schedule']>
  readonly settings?: Partial<AgentSettings>
  readonly history?: readonly Job[]
}

function stage({ now, cron, schedule, settings: more, history = [] }: StageOptions): Stage {
  let time = new Date(now)
  const clock = () => time
  const requests: OperationRequest[] = []
  const running: PromiseWithResolvers<void>[] = []
  const execute: Execute = async (request, { signal }) => {
    requests.push(request)
    const done = Promise.withResolvers<void>()
    running.push(done)
    signal.addEventListener('abort', () => done.reject(signal.reason))
    await done.promise
  }
  const jobs = createJobs({ execute, record: async () => undefined, host: 'test', clock, random: randomBytes, history })
  const none = { backup: undefined, verify: undefined, drill: undefined, copy: undefined, prune: undefined }
  const settings: AgentSettings = {
    host: '127.0.0.1',
    port: 0,
    tables: ['*.*'],
    drill: { checks: [], mostBytes: undefined },
    retention: { policy: {}, grace: 0 },
    schedule: { timezone: 'UTC', jitter: 0, ...schedule, cron: { ...none, ...cron } },
    notify: { on: ['failed', 'overdue', 'damaged', 'recovered'] },
    compat: false,
    ...more,
  }
  const log: string[] = []
  const ports = {
    clock,
    random: randomBytes,
    log: ({ message }: { readonly message: string }) => void log.push(message),
  }
  const made: Stage = {
    jobs,
    settings,
    clock,
    log,
    schedule: createSchedule(settings, jobs, ports),
    at: (text) => {
      time = new Date(text)
      made.schedule.tick()
    },
    started: () =>
      jobs
        .list()
        .toReversed()
        .map(({ kind, queued }) => `${kind} ${queued.slice(0, 16)}`),
    finish: async (failure) => {
      const open = jobs.list().filter(({ state }) => state === 'running')
      await new Promise((done) => setImmediate(done))
      for (const one of running.splice(0)) {
        if (failure) one.reject(failure)
        else one.resolve()
      }
      await Promise.all(open.map(({ id }) => jobs.ended(id)))
    },
  }
  return made
}

function past(kind: OperationKind, queued: string, state: OperationState = 'ok'): Job {
  const operation: Operation = {
    id: queued,
    kind,
    state,
    by: 'schedule',
    host: 'test',
    request: {},
    findings: 0,
    queued,
    started: queued,
    finished: queued,
  }
  return { operation, log: createJobLog() }
}

describe('a schedule', () => {
  it('starts what is due, at its time and not before', async () => {
    const s = stage({ now: '2026-11-25T00:00:00Z', cron: { backup: '0 */6 * * *' } })
    s.at('2026-11-25T05:59:00Z')
    expect(s.started()).toEqual([])
    s.at('2026-11-25T06:00:00Z')
    await s.finish()
    s.at('2026-11-25T06:01:00Z')
    expect(s.started()).toEqual(['backup 2026-11-25T06:00'])
    s.at('2026-11-25T12:00:00Z')
    expect(s.started()).toEqual(['backup 2026-11-25T06:00', 'backup 2026-11-25T12:00'])
  })

  it('goes by the clock of its time zone, through the change to summer time', async () => {
    const s = stage({
      now: '2027-03-27T00:00:00Z',
      cron: { backup: '30 3 * * *' },
      schedule: { timezone: 'Europe/Berlin' },
    })
    s.at('2027-03-27T02:30:00Z')
    await s.finish()
    s.at('2027-03-28T01:30:00Z')
    expect(s.started()).toEqual(['backup 2027-03-27T02:30', 'backup 2027-03-28T01:30'])
  })

  it('makes up once for what came due while the agent was down', () => {
    const s = stage({
      now: '2026-11-25T09:10:00Z',
      cron: { backup: '0 * * * *' },
      history: [past('backup', '2026-11-25T03:00:00.000Z')],
    })
    s.at('2026-11-25T09:10:01Z')
    s.at('2026-11-25T09:10:02Z')
    expect(s.started().slice(1)).toEqual(['backup 2026-11-25T09:10'])
  })

  it('leaves out what would overlap with itself, and says so', async () => {
    const s = stage({ now: '2026-11-25T00:30:00Z', cron: { backup: '0 * * * *' } })
    s.at('2026-11-25T01:00:00Z')
    s.at('2026-11-25T02:00:00Z')
    expect(s.started()).toEqual(['backup 2026-11-25T01:00'])
    expect(s.log).toEqual(['the last backup still runs: this one is left out'])
    await s.finish()
    s.at('2026-11-25T03:00:00Z')
    expect(s.started()).toHaveLength(2)
  })

  it('starts within its jitter', () => {
    const s = stage({ now: '2026-11-25T00:00:00Z', cron: { backup: '0 6 * * *' }, schedule: { jitter: 600 } })
    const [entry] = s.schedule.entries()
    expect(entry?.next?.getTime()).toBeGreaterThanOrEqual(Date.parse('2026-11-25T06:00:00Z'))
    expect(entry?.next?.getTime()).toBeLessThanOrEqual(Date.parse('2026-11-25T06:10:00Z'))
  })

  it('starts nothing while it is paused, makes up for nothing afterwards, and stays paused through a restart', async () => {
    const s = stage({ now: '2026-11-25T00:30:00Z', cron: { backup: '0 * * * *' } })
    s.schedule.pause()
    await s.jobs.note('pause', 'somebody')
    s.at('2026-11-25T01:00:00Z')
    s.schedule.resume()
    s.at('2026-11-25T01:30:00Z')
    expect(s.started()).toEqual(['pause 2026-11-25T00:30'])
    s.at('2026-11-25T02:00:00Z')
    expect(s.started()).toHaveLength(2)
    const after = stage({ now: '2026-11-25T02:00:00Z', history: [past('pause', '2026-11-25T01:00:00.000Z')] })
    expect(after.schedule.isPaused).toBe(true)
  })

  it('forgets by the policy before it prunes', async () => {
    const s = stage({
      now: '2026-11-25T00:00:00Z',
      cron: { prune: '0 6 * * *' },
      settings: { retention: { policy: { daily: 7 }, grace: 0 } },
    })
    s.at('2026-11-25T06:00:00Z')
    expect(s.started()).toEqual(['forget 2026-11-25T06:00', 'prune 2026-11-25T06:00'])
    expect(s.jobs.list().map(({ state }) => state)).toEqual(['queued', 'running'])
  })

  it('knows what is overdue: an hour after its time, unless it runs or went well', async () => {
    const s = stage({
      now: '2026-11-25T00:00:00Z',
      cron: { backup: '0 6 * * *' },
      history: [past('backup', '2026-11-24T06:00:00.000Z')],
    })
    const last = new Date('2026-11-24T06:00:00Z')
    s.at('2026-11-25T06:00:00Z')
    s.at('2026-11-25T08:00:00Z')
    expect(s.schedule.isOverdue('backup', last)).toBe(false)
    await s.finish(new PermafrostError('STORAGE_UNAVAILABLE', 'the disk is full'))
    expect(s.schedule.isOverdue('backup', last)).toBe(true)
    expect(s.schedule.isOverdue('backup', new Date('2026-11-25T06:00:00Z'))).toBe(false)
    expect(s.schedule.isOverdue('verify', undefined)).toBe(false)
  })

  it('that cannot be read is refused, by its key', () => {
    for (const cron of [{ backup: 'every day' }, { verify: '99 * * * *' }])
      expect(() => stage({ now: '2026-11-25T00:00:00Z', cron })).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringContaining(`schedule.${Object.keys(cron)[0]}`) as string,
        }),
      )
    expect(() =>
      stage({ now: '2026-11-25T00:00:00Z', cron: { backup: '0 6 * * *' }, schedule: { timezone: 'Mars/Olympus' } }),
    ).toThrow('Mars/Olympus')
  })
})

describe('the runner', () => {
  it('does one thing of a lane at a time, in order, and the two lanes side by side', async () => {
    const s = stage({ now: '2026-11-25T00:00:00Z' })
    s.jobs.start({ kind: 'backup' }, 'a')
    s.jobs.start({ kind: 'backup' }, 'a')
    s.jobs.start({ kind: 'verify', level: 'scrub' }, 'a')
    const states = () =>
      s.jobs
        .list()
        .toReversed()
        .map(({ kind, state }) => `${kind} ${state}`)
    expect(states()).toEqual(['backup running', 'backup queued', 'verify running'])
    await s.finish()
    expect(states()).toEqual(['backup ok', 'backup running', 'verify ok'])
  })

  it('ends what runs and what waits as interrupted when it is stopped, and takes nothing more', async () => {
    const s = stage({ now: '2026-11-25T00:00:00Z' })
    s.jobs.start({ kind: 'backup' }, 'a')
    s.jobs.start({ kind: 'backup' }, 'a')
    await new Promise((done) => setImmediate(done))
    await s.jobs.stop()
    expect(s.jobs.list().map(({ state }) => state)).toEqual(['interrupted', 'interrupted'])
    expect(() => s.jobs.start({ kind: 'backup' }, 'a')).toThrow(expect.objectContaining({ code: 'CANCELLED' }))
  })
})

describe('notices', () => {
  it('tell of what failed and of what is right again, ping a check, and hand a trace to a collector', async () => {
    const told: { readonly path: string; readonly body: string }[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        told.push({ path: request.url ?? '', body })
        response.end()
      })
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const s = stage({
        now: '2026-11-25T00:00:00Z',
        settings: {
          notify: { url: `${base}/hook`, ping: `${base}/ping`, on: ['failed', 'recovered', 'overdue'] },
          traces: `${base}/otlp`,
        },
      })
      const ports = {
        clock: s.clock,
        random: randomBytes,
        hostname: 'test',
        log: () => undefined,
      } as unknown as AgentPorts
      const notices = observe(
        s.jobs,
        createMetrics('test', () => ({})),
        { settings: () => s.settings, ports },
      )
      const until = async (count: number) => {
        while (told.length < count) await sleep(5)
      }
      s.jobs.start({ kind: 'backup' }, 'a')
      await s.finish(new PermafrostError('STORAGE_UNAVAILABLE', 'the disk is full'))
      await until(4)
      s.jobs.start({ kind: 'backup' }, 'a')
      await s.finish()
      await until(8)
      notices.overdue('verify', true)
      notices.overdue('verify', true)
      await until(9)
      const of = (path: string) => told.filter((one) => one.path === path).map(({ body }) => body)
      expect(of('/hook').map((body) => (JSON.parse(body) as { readonly event: string }).event)).toEqual([
        'failed',
        'recovered',
        'overdue',
      ])
      expect(JSON.parse(of('/hook')[0] ?? '')).toMatchObject({
        host: 'test',
        operation: { kind: 'backup', error: { code: 'STORAGE_UNAVAILABLE' } },
      })
      expect(
        told
          .map(({ path }) => path)
          .filter((path) => path.startsWith('/ping'))
          .toSorted(),
      ).toEqual(['/ping', '/ping/fail', '/ping/start', '/ping/start'])
      const [trace] = of('/otlp/v1/traces').map((body) => JSON.parse(body) as unknown)
      expect(trace).toMatchObject({
        resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'permafrost backup', status: { code: 2 } }] }] }],
      })
    } finally {
      server.close()
    }
  })
})
