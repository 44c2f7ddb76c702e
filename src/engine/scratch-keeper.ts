import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

// The process that cleans up after a disposable engine. Its standard input is a pipe that only the parent holds open, and over
// which the parent says which process the engine is. When the parent ends, however it ends, the engine ends as well; what is
// left to do is to wait for that, and to remove its directory.

const PATIENCE = 10_000
const [, , directory = ''] = process.argv
let said = ''
for await (const chunk of process.stdin) said += String(chunk)
const engine = Number(said.trim().split('\n').at(-1))
for (let waited = 0; waited < PATIENCE && runs(engine); waited += 100) await sleep(100)
if (runs(engine)) process.kill(engine, 'SIGKILL')
while (runs(engine)) await sleep(20)
if (directory !== '') rmSync(directory, { recursive: true, force: true, maxRetries: 5 })

function runs(pid: number): boolean {
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
