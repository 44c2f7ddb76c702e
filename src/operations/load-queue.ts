import { segmentsOfRuns } from '../core/part-stream.ts'
import type { PartEntry } from '../core/manifest.ts'
import type { LoadItem } from '../repository/load-parts.ts'
import type { PartCheck } from '../repository/part-checker.ts'
import { sessionKeys } from '../repository/session.ts'
import type { Repository } from '../repository/repository.ts'
import type { Pool } from '../repository/pool.ts'

/** A part to read back: into a directory, or only to check it. */
export interface LoadRequest {
  readonly part: PartEntry
  readonly target?: string
}

/** A job is long enough to be worth its messages, and short enough that progress is seen and workers share evenly. */
const JOB_BYTES = 128 << 20
const JOB_FILES = 5000

/**
 * Read parts back on all workers. Results come as their jobs finish, each exactly once.
 *
 * @param onLoaded called for each part, one after another
 */
export async function loadAll<R extends LoadRequest>(
  requests: readonly R[],
  { repository, pool, signal }: { readonly repository: Repository; readonly pool: Pool; readonly signal: AbortSignal },
  onLoaded: (request: R, result: PartCheck) => void,
): Promise<void> {
  const keyOf = sessionKeys(repository)
  const jobs = jobsOf(requests).values()
  const runner = async (): Promise<void> => {
    for (const job of jobs) {
      signal.throwIfAborted()
      const sessions = [...new Set(job.flatMap(({ part }) => part.segments.map((segment) => segment.pack.session)))]
      const dataKeys = Object.fromEntries(
        await Promise.all(sessions.map(async (session) => [session, await keyOf(session)] as const)),
      )
      const results = await pool.load({ items: job.map(itemOf), suite: repository.keys.suite, dataKeys })
      for (const [index, result] of results.entries()) onLoaded(job[index] as R, result)
    }
  }
  await Promise.all(Array.from({ length: pool.size }, runner))
}

function itemOf({ part, target }: LoadRequest): LoadItem {
  return { name: part.name, k: part.k, runs: segmentsOfRuns(part.files, part.segments), ...(target && { target }) }
}

function jobsOf<R extends LoadRequest>(requests: readonly R[]): readonly (readonly R[])[] {
  const jobs: R[][] = []
  let bytes = 0
  let files = 0
  for (const request of requests) {
    const { part } = request
    if (jobs.length === 0 || bytes + part.bytes > JOB_BYTES || files + part.files.length > JOB_FILES) {
      jobs.push([])
      bytes = 0
      files = 0
    }
    jobs.at(-1)?.push(request)
    bytes += part.bytes
    files += part.files.length
  }
  return jobs
}
