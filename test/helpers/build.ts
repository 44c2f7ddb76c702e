import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Vitest's global set-up: the tests that start processes start what is shipped, which starts three times as fast as the sources. */
export function setup(): void {
  for (const args of [
    ['rolldown/bin/cli.mjs', '-c', '--logLevel', 'silent'],
    ['vite/bin/vite.js', 'build', '--logLevel', 'warn'],
  ]) {
    const [program = '', ...flags] = args
    const { status, stdout, stderr } = spawnSync(process.execPath, [`${root}node_modules/${program}`, ...flags], {
      cwd: root,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`${program}: ${stdout}${stderr}`)
  }
}
