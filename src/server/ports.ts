import type { RetentionPolicy } from '../core/retention.ts'
import type { Engine } from '../engine/engine.ts'
import type { Context } from '../operations/context.ts'
import type { CopyPlace } from '../operations/status.ts'
import type { Purpose, Repository } from '../repository/repository.ts'
import type { Meter } from '../storage/meter.ts'
import type { ScheduledKind } from './contract/agent.ts'
import type { AnswerOf } from './contract/routes.ts'
import type { Log } from './log.ts'
import type { TokenEntry } from './tokens.ts'

/** What of the configuration the agent goes by. */
export interface AgentSettings {
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** Absent: nobody has to sign in, and nobody from elsewhere is listened to. */
  readonly tokens?: readonly TokenEntry[] | undefined
  readonly tables: readonly string[]
  readonly retention: { readonly policy: RetentionPolicy; readonly grace: number }
  readonly schedule: {
    readonly cron: Readonly<Record<ScheduledKind, string | undefined>>
    readonly timezone: string
    /** Seconds. */
    readonly jitter: number
  }
  /** What a drill asks, and how many bytes it restores at most. */
  readonly drill: { readonly checks: readonly string[]; readonly mostBytes: number | undefined }
  readonly notify: {
    readonly url?: string | undefined
    readonly ping?: string | undefined
    readonly on: readonly Notice[]
  }
  readonly traces?: string | undefined
  /** Answer for clickhouse-backup, too. */
  readonly compat: boolean
}

export type Notice = 'failed' | 'overdue' | 'damaged' | 'recovered'

/** What the agent takes from the composition root; what is opened is opened anew, by the configuration as it is then. */
export interface AgentPorts extends Omit<Context, 'repository' | 'engine' | 'emit' | 'signal'> {
  readonly hostname: string
  readonly log: Log
  /** Where queries and drills may make a disposable engine. */
  readonly scratch: () => string
  /** The directory of the built console. */
  readonly console: string
  /** Read the configuration again. @throws CONFIG_INVALID */
  readonly settings: () => AgentSettings
  readonly shownConfig: () => AnswerOf<'config'>
  readonly openRepository: (purpose: Purpose) => Promise<Repository>
  /** Where copies go, to be written to. */
  readonly copyPlaces: () => readonly CopyPlace[]
  readonly openEngine: () => Promise<Engine>
  /** What the stores were asked for since the agent began, tries that failed included. */
  readonly storeUsage: Meter['usage']
}
