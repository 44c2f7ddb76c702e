import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** The process of the disposable engine that lies in a scratch directory; 0 while there is none. */
export function engineIn(scratch: string): number {
  const [directory = ''] = existsSync(scratch) ? readdirSync(scratch) : []
  const file = join(scratch, directory, '.permafrost', 'engine.json')
  if (!existsSync(file)) return 0
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly pid: number }).pid
}

/** The processes that a process started. */
export function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** Ask until the answer is a true one; after half a minute, whatever it is. */
export async function eventually<T>(ask: () => T): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const answer = ask()
    if (answer) return answer
    await sleep(50)
  }
  return ask()
}
