import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a processor does for a backup or a restore. */
export const WORK = [
  'SHA-256',
  'AES-256-GCM',
  'CityHash128, in WebAssembly',
  'zstd',
  'files of parts: found, opened, read',
  'files of parts: written',
  'collecting garbage',
  'JavaScript, loading it, waiting for a processor',
  'beyond that: threads of Node.js that read and write packs, and of V8',
] as const
export type Work = (typeof WORK)[number]

const READING = new Set(['open', 'read', 'close', 'fstat', 'stat', 'lstat', 'readdir'])
const WRITING = new Set(['writeBuffer', 'mkdir', 'rename', 'link', 'chmod', 'chown', 'fsync'])

/**
 * Seconds of processor by what they were spent for, out of the profiles that `node --cpu-prof` left in a directory, one for each thread
 * that runs JavaScript.
 *
 * @param cpu of the whole process: what is more than in the profiles was spent by threads that run none
 */
export function processorSeconds(directory: string, cpu: number): Readonly<Record<Work, number>> {
  const spent = Object.fromEntries(WORK.map((work) => [work, 0])) as Record<Work, number>
  const sourceOf = originalSources()
  let sampled = 0
  for (const file of readdirSync(directory)) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile
    const workOf = new Map(nodes.map(({ id, callFrame }) => [id, classify({ ...callFrame, url: sourceOf(callFrame) })]))
    for (const [index, sample] of samples.entries()) {
      const work = workOf.get(sample)
      const seconds = (timeDeltas[index] ?? 0) / 1e6
      if (!work) continue
      spent[work] += seconds
      sampled += seconds
    }
  }
  return {
    ...spent,
    'beyond that: threads of Node.js that read and write packs, and of V8': Math.max(0, cpu - sampled),
  }
}

/** https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile */
interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  /** Microseconds. */
  readonly timeDeltas: readonly number[]
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
  readonly columnNumber: number
}

/** The file that a function was written in: what is built is one file of many, with a map beside it. */
function originalSources(): (frame: CallFrame) => string {
  const maps = new Map<string, SourceMap>()
  return ({ url, lineNumber, columnNumber }) => {
    if (!url.startsWith('file:') || !existsSync(fileURLToPath(`${url}.map`))) return url
    const map = maps.get(url) ?? new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8')))
    maps.set(url, map)
    const entry = map.findEntry(lineNumber, columnNumber)
    return ('originalSource' in entry && entry.originalSource) || url
  }
}

function classify({ functionName, url }: Pick<CallFrame, 'functionName' | 'url'>): Work | undefined {
  if (functionName === '(idle)') return undefined
  if (functionName === '(garbage collector)') return 'collecting garbage'
  if (url.startsWith('wasm:')) return 'CityHash128, in WebAssembly'
  if (url === 'node:internal/crypto/hash') return 'SHA-256'
  if (url.endsWith('/native-aead.ts') || url === 'node:internal/crypto/cipher') return 'AES-256-GCM'
  if (url === 'node:zlib') return 'zstd'
  if (url === '' && READING.has(functionName)) return 'files of parts: found, opened, read'
  if (functionName === 'spawnSync' || (url === '' && WRITING.has(functionName))) return 'files of parts: written'
  return 'JavaScript, loading it, waiting for a processor'
}
