import { z } from 'zod'
import { toPermafrostError } from '../core/errors.ts'
import { SESSION_TTL } from '../core/safety.ts'
import { makeFreezeName, parseFreezeName } from '../engine/freeze-name.ts'
import { freezerState } from '../engine/freezer.ts'
import { readOperations, recordOperation } from '../repository/history.ts'
import type { RecordedOperation, Stage } from '../repository/history.ts'
import type { Repository } from '../repository/repository.ts'
import { logEntry, operation } from './contract/operations.ts'
import type { LogEntry } from './contract/operations.ts'
import { createJobLog } from './job-log.ts'
import type { Job } from './jobs.ts'
import type { AgentPorts } from './ports.ts'

/** Jobs that outlive the agent, as records in the repository. */
export interface History {
  /** Jobs of earlier runs, oldest first; what a run that is gone left open is closed as interrupted. */
  load(): Promise<readonly Job[]>
  readonly record: (stage: Stage, job: Job) => Promise<void>
}

/** How many are read at the start. */
const NEWEST = 300
/** What a record takes of a log and of a result: it has to stay a small record. */
const MOST_LOG = 500
const MOST_RESULT = 256 * 1024

const recorded = z.object({ operation, maker: z.string(), log: z.array(logEntry) })

type HistoryPorts = Pick<AgentPorts, 'self' | 'random' | 'clock' | 'log' | 'hostname'>

/** A store that does not answer loses history, and stops nothing. */
export function createHistory(open: () => Promise<Repository>, ports: HistoryPorts): History {
  const { self, random, clock, log, hostname } = ports
  const maker = makeFreezeName(self, random)
  const record: History['record'] = async (stage, job) => {
    const { id } = job.operation
    const entries = job.log.after(0).filter(({ type }) => type !== 'operation')
    const value = { operation: shortened(job), maker, log: stage === 'end' ? entries.slice(-MOST_LOG) : [] }
    await open()
      .then((repository) => recordOperation(repository, { id, stage, value }, random))
      .catch((error: unknown) => log(failed(`operation ${id} is not written down`, error)))
  }
  const revive = async (one: RecordedOperation): Promise<readonly Job[]> => {
    const parsed = recorded.safeParse(one.end ?? one.begin)
    if (!parsed.success) return []
    const job = jobOf(parsed.data.operation, parsed.data.log)
    if (one.end !== undefined || !isAbandoned(parsed.data)) return [job]
    const finished = clock().toISOString()
    const closed = jobOf({ ...parsed.data.operation, state: 'interrupted', finished }, parsed.data.log)
    await record('end', closed)
    return [closed]
  }
  /** A container that was started again has its host's name, and other processes. */
  const isAbandoned = ({ maker: name, operation: { host, queued } }: z.infer<typeof recorded>): boolean => {
    const freezer = parseFreezeName(name)
    const state = freezer ? freezerState(freezer, self) : 'unknown'
    if (state !== 'unknown') return state === 'gone'
    return host === hostname || clock().getTime() - Date.parse(queued) > SESSION_TTL * 1000
  }
  return {
    record,
    load: async () => {
      try {
        const jobs = await Promise.all((await readOperations(await open(), NEWEST)).map(revive))
        // Ids are exact to the second only.
        return jobs.flat().sort((a, b) => (a.operation.queued < b.operation.queued ? -1 : 1))
      } catch (error) {
        log(failed('the history of operations cannot be read', error))
        return []
      }
    },
  }
}

function jobOf(value: z.infer<typeof operation>, entries: readonly LogEntry[]): Job {
  const log = createJobLog(entries)
  log.append({ type: 'operation', at: value.finished ?? value.queued, operation: value })
  return { operation: value, log }
}

function shortened({ operation: { result, ...rest } }: Job): Job['operation'] {
  return result === undefined || JSON.stringify(result).length > MOST_RESULT ? rest : { ...rest, result }
}

function failed(what: string, error: unknown) {
  const { code, message } = toPermafrostError(error)
  return { level: 'warning', message: `${what}: ${message}`, code } as const
}
