import { spawnSync } from 'node:child_process'

/** What a whole process used. */
export interface Usage {
  /** Seconds from start to end. */
  readonly wall: number
  /** Seconds from its start until all that it wrote is on the disk: most tools end with it in memory. */
  readonly durable: number
  /** Seconds of processor, in user and kernel mode, of the process and its children. */
  readonly cpu: number
  /** MiB: the largest resident set of any one process of it. */
  readonly memory: number
}

/** Node tells no child's usage; `wait4` does. */
const WAIT4 = `
import json, os, subprocess, sys, time
begin = time.monotonic()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
said = child.stderr.read()
_, status, used = os.wait4(child.pid, 0)
wall = time.monotonic() - begin
os.sync()
print(json.dumps({"wall": wall, "durable": time.monotonic() - begin, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024,
  "status": os.waitstatus_to_exitcode(status), "said": said.decode(errors="replace")[-2000:]}))
`

export interface MeasureOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Run a command to its end and tell what it used. @throws when it fails: a measurement of a failure is none */
export function measure(argv: readonly string[], { env = {}, cwd }: MeasureOptions = {}): Usage {
  const { stdout, stderr } = spawnSync('python3', ['-c', WAIT4, ...argv], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    cwd,
  })
  if (!stdout) throw new Error(`python3 measures the processes, and did not: ${stderr}`)
  const { status, said, ...usage } = JSON.parse(stdout) as Usage & { readonly status: number; readonly said: string }
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${said}`)
  return usage
}

/** The middle one; of two middle ones the mean. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
