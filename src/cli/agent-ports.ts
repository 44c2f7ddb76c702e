import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { retentionPolicy } from '../config/retention-policy.ts'
import { shownConfig } from '../config/shown-config.ts'
import { PermafrostError } from '../core/errors.ts'
import { jsonLog } from '../server/log.ts'
import type { AgentPorts, AgentSettings } from '../server/ports.ts'
import { parseTokens } from '../server/tokens.ts'
import type { Composition } from './compose.ts'
import { scratchDirectory } from './scratch-directory.ts'

export interface AgentFlags {
  readonly listen?: string
  readonly compat?: string
}

/** What the agent works with: whatever it opens, it opens by the configuration of that moment. */
export function agentPorts(c: Composition, flags: AgentFlags): AgentPorts {
  const { emit: _, signal: __, ...base } = c.base()
  const { clock } = base
  return {
    ...base,
    hostname: hostname(),
    log: jsonLog((text) => void c.process.stderr.write(text), clock),
    console: fileURLToPath(
      new URL(import.meta.url.endsWith('.ts') ? '../../dist/console' : '../console', import.meta.url),
    ),
    scratch: () => scratchDirectory(c.fresh(), undefined),
    settings: () => settingsOf(c.fresh(), flags),
    shownConfig: () => {
      const loaded = c.fresh().config()
      return { ...(loaded.file !== undefined && { file: loaded.file }), settings: shownConfig(loaded) }
    },
    openRepository: (purpose) => c.fresh().repository(purpose),
    copyPlaces: () => {
      const fresh = c.fresh()
      return fresh.config().config.copy.to.map((location) => ({
        location,
        open: () => fresh.repositoryAt(location, 'write', { as: 'copy' }),
      }))
    },
    openEngine: () => c.fresh().engine(),
    storeUsage: () => c.meter.usage(),
  }
}

function settingsOf(c: Composition, flags: AgentFlags): AgentSettings {
  const { config, directory } = c.config()
  const { schedule, agent, notify, select, retention } = config
  refuseNative(config.clickhouse.engine)
  const { backup, verify, drill, copy, prune, timezone, jitter } = schedule
  const secret = (name: string, value: string | undefined) => c.secret(name, value)?.read()
  const file = (path: string | undefined) =>
    path === undefined ? undefined : readFileSync(resolve(directory, path), 'utf8')
  const [cert, key] = [file(agent.certificate), file(agent['private-key'])]
  const tokens = secret('agent.tokens', agent.tokens)
  return {
    ...addressOf(flags.listen ?? agent.listen),
    tls: cert !== undefined && key !== undefined ? { cert, key } : undefined,
    tokens: tokens === undefined ? undefined : parseTokens(tokens),
    tables: select.tables,
    retention: { policy: retentionPolicy(config), grace: retention.grace },
    schedule: { cron: { backup, verify, drill, copy, prune }, timezone, jitter },
    drill: { checks: config.drill.checks, mostBytes: config.drill['max-bytes'] },
    notify: { url: secret('notify.url', notify.url), ping: secret('notify.ping', notify.ping), on: notify.on },
    traces: agent.traces,
    compat: flags.compat !== undefined,
  }
}

/** Its backups are in no list of the agent's: it would call overdue what was made. */
function refuseNative(engine: 'freeze' | 'native'): void {
  if (engine === 'freeze') return
  throw new PermafrostError('CONFIG_INVALID', 'clickhouse.engine is native, and the agent makes no native backups', {
    hint: ['permafrost backup, from cron or a timer', 'or clickhouse: { engine: freeze }'],
  })
}

function addressOf(listen: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen)?.filter((part) => part !== undefined) ?? []
  if (host !== undefined && Number(port) < 65_536) return { host, port: Number(port) }
  throw new PermafrostError('CONFIG_INVALID', `agent.listen: ${listen} is no address and port`, {
    hint: 'write 127.0.0.1:7171',
  })
}
