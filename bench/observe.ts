import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What was seen of a process while it ran. Of the process itself: what it started is not counted. */
export interface Observation {
  /** Seconds until the first byte of its answer. */
  readonly first: number
  /** Seconds from start to end. */
  readonly wall: number
  /** Seconds of processor, in user and kernel mode. */
  readonly cpu: number
  /** MiB: the largest resident set. */
  readonly memory: number
  readonly stdout: string
  readonly stderr: string
}

/** Ticks of a second in /proc, on every Linux of today. */
const TICKS = 100

/** Run a command to its end, and look at it every 10 ms. @throws when it fails: a measurement of a failure is none */
export async function observe([program = '', ...args]: readonly string[]): Promise<Observation> {
  const begin = performance.now()
  const seconds = () => (performance.now() - begin) / 1000
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const seen = { first: Number.NaN, cpu: 0, memory: 0, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    if (seen.stdout === '') seen.first = seconds()
    seen.stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => (seen.stderr += chunk.toString()))
  const timer = setInterval(() => Object.assign(seen, usageOf(child.pid ?? 0)), 10)
  const code = await new Promise<number | null>((done, fail) => {
    child.on('error', fail)
    child.on('close', done)
  })
  clearInterval(timer)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${seen.stderr.slice(-2000)}`)
  return { ...seen, wall: seconds() }
}

/** Both only grow, so what was seen last is nearly what it was; nothing of a process that has ended. */
function usageOf(pid: number): { readonly cpu?: number; readonly memory?: number } {
  try {
    const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    const [user = 0, system = 0] = (/\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '')
      .split(' ')
      .slice(11, 13)
      .map(Number)
    return kib === '0' ? {} : { cpu: (user + system) / TICKS, memory: Number(kib) / 1024 }
  } catch {
    return {}
  }
}
