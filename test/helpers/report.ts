import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Vitest's global set-up: collects what tests could not cover, and says it last of all. */
export function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'permafrost-report-'))
  const file = join(directory, 'not-covered')
  process.env['PERMAFROST_NOT_COVERED'] = file
  return () => {
    const lines = existsSync(file) ? [...new Set(readFileSync(file, 'utf8').trim().split('\n'))] : []
    for (const line of lines) process.stderr.write(`\n  NOT COVERED on this machine: ${line}\n`)
    rmSync(directory, { recursive: true, force: true })
  }
}
