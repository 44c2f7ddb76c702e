import { spawnSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'

/** Say loudly that something could not be tested on this machine; the end of the run repeats it. */
export function notCovered(what: string): void {
  const file = process.env['PERMAFROST_NOT_COVERED']
  if (file) appendFileSync(file, `${what}\n`)
}

/** Whether this machine lets us mount a small file system of our own, to fill it up. */
export const canMount = ((): boolean => {
  const { status } = spawnSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'], { stdio: 'ignore' })
  if (status !== 0) notCovered('a full disk (no user namespaces here)')
  return status === 0
})()

/** Whether tests can become another user. */
export const isRoot = ((): boolean => {
  const root = process.getuid?.() === 0
  if (!root) notCovered('files of another user (not root here)')
  return root
})()
