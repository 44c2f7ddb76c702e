import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startHttpFaults } from '../test/helpers/stores/http-faults.ts'
import type { HttpFault } from '../test/helpers/stores/http-faults.ts'
import type { Cloud } from '../test/stores/clouds.ts'
import { permafrostAt } from './permafrost-at.ts'

/** A backup through a store that is {@link LATENCY} away and refuses more than {@link MOST_IN_FLIGHT} requests at a time. */
export interface SlowDown {
  /** As the location says; `undefined` when it leaves that to Permafrost. */
  readonly connections: number | undefined
  readonly seconds: number
  readonly requests: number
  readonly retries: number
  /** Requests that the store has refused. */
  readonly refused: number
}

export const MOST_IN_FLIGHT = 4
/** Milliseconds. Without it a store on the loopback is done before a fifth request comes. */
export const LATENCY = 50
export const CONNECTIONS = [undefined, 1, 2, 4, 8] as const

const SLOW_DOWN: HttpFault = {
  act: 'answer',
  status: 503,
  headers: { 'content-type': 'application/xml' },
  body: '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
}

/** Workers enough for more packs at a time than the store takes, and packs so small that there are hundreds of them. */
const LIMITS = { workers: 8, memory: '32MiB' }

export interface SlowDownOptions {
  /** The data directory of the engine. */
  readonly engine: string
  /** Of this round's own. */
  readonly directory: string
  readonly round: number
  readonly say: (text: string) => void
}

/** One round: as Permafrost does it by itself, and with fixed numbers of connections, in another order each time. */
export async function measureSlowDown(cloud: Cloud, options: SlowDownOptions): Promise<readonly SlowDown[]> {
  const turn = options.round % CONNECTIONS.length
  const results: SlowDown[] = []
  for (const connections of [...CONNECTIONS.slice(turn), ...CONNECTIONS.slice(0, turn)]) {
    const result = await backUp(cloud, connections, options)
    options.say(
      `SlowDown, round ${options.round + 1}, ${connections ?? 'no'} fixed connections: ${result.seconds.toFixed(2)} s`,
    )
    results.push(result)
  }
  return results
}

async function backUp(
  cloud: Cloud,
  connections: number | undefined,
  { engine, directory }: SlowDownOptions,
): Promise<SlowDown> {
  let inFlight = 0
  await using proxy = await startHttpFaults(cloud.port, async (_asked, answer) => {
    inFlight++
    answer.once('close', () => inFlight--)
    const fault = inFlight > MOST_IN_FLIGHT ? SLOW_DOWN : undefined
    await sleep(LATENCY)
    return fault
  })
  const name = `slow-${connections ?? 'adapted'}`
  const place = cloud.place(name, proxy.port)
  const fixed = connections === undefined ? '' : `&connections=${connections}`
  const permafrost = permafrostAt({
    directory: join(directory, name),
    engine,
    place: { ...place, url: `${place.url}${fixed}`, limits: LIMITS },
  })
  await permafrost('repo', 'init')
  const before = proxy.hits()
  const { wall, stdout } = await permafrost('backup', '-t', 'store.quarter', '--json')
  const asked = Object.values((JSON.parse(stdout) as Answer).requests)
  const sum = (what: keyof Asked) => asked.reduce((total, kind) => total + kind[what], 0)
  return {
    connections,
    seconds: wall,
    requests: sum('requests'),
    retries: sum('retries'),
    refused: proxy.hits() - before,
  }
}

interface Asked {
  readonly requests: number
  readonly retries: number
}

interface Answer {
  readonly requests: Readonly<Record<string, Asked>>
}
