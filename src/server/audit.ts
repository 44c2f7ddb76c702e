import { toPermafrostError } from '../core/errors.ts'
import { recordAudit } from '../repository/history.ts'
import type { Repository } from '../repository/repository.ts'
import type { Audited } from './app.ts'
import type { AgentPorts } from './ports.ts'

/** Who changed what: a line in the log at once, and a record in the repository. */
export interface Audit {
  readonly write: (entry: Audited) => void
  /** Resolves when all is written. */
  flush(): Promise<void>
}

/** A repository that does not take the record stops nothing: a cancel has to work then, too. */
export function createAudit(
  open: () => Promise<Repository>,
  { random, log }: Pick<AgentPorts, 'random' | 'log'>,
): Audit {
  const pending = new Set<Promise<void>>()
  const record = async (entry: Audited): Promise<void> => {
    const id = `${entry.at.replaceAll(/[-:.]/g, '')}-${Buffer.from(random(4)).toString('hex')}`
    try {
      await recordAudit(await open(), { id, value: entry }, random)
    } catch (error) {
      const { message, code } = toPermafrostError(error)
      log({ level: 'warning', message: `an audit entry is in this log only: ${message}`, code })
    }
  }
  return {
    write: (entry) => {
      const { at: _, action, ...facts } = entry
      log({ level: 'audit', message: action, ...facts })
      const writing = record(entry).finally(() => pending.delete(writing))
      pending.add(writing)
    },
    flush: async () => void (await Promise.all(pending)),
  }
}
