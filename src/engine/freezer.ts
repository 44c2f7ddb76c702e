import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Freezer } from './freeze-name.ts'

/** This process, as the maker of a freeze. */
export function thisFreezer(): Freezer {
  return {
    host: short(`${hostname()} ${attempt(() => readlinkSync('/proc/self/ns/pid'))}`),
    boot: short(attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))),
    pid: process.pid,
    started: startOf(process.pid) ?? 0,
  }
}

/** Does the maker of a freeze still run? Of another machine or container nobody here can know. */
export function freezerState(freezer: Freezer, self: Freezer): 'alive' | 'gone' | 'unknown' {
  if (freezer.host !== self.host) return 'unknown'
  if (freezer.boot !== self.boot) return 'gone'
  return startOf(freezer.pid) === freezer.started ? 'alive' : 'gone'
}

/** Field 22 of /proc/<pid>/stat; the second field, a name in parentheses, may hold anything. See proc(5). */
function startOf(pid: number): number | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[19] === undefined ? undefined : Number(fields[19])
}

function attempt(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
