import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runCli } from '../helpers/cli.ts'

const home = mkdtempSync(join(tmpdir(), 'permafrost-demo-test-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

describe('the demo', () => {
  const kept = join(home, 'kept')

  it('tells its story, and every claim in it is checked', async () => {
    const { code, stdout, stderr } = await runCli(['demo', '--keep', kept])
    expect({ code, stderr }).toMatchObject({ code: 0 })
    for (const line of [
      /stores everything/,
      /reused [\d.]+ MiB/,
      /somebody drops the persons/,
      /every column of every table compared.*: \d+ equal/,
      /all of it is right/,
      /fetched \([\d.]+ %\)/,
      /every part checked by ClickHouse, every row read/,
    ])
      expect(stderr).toMatch(line)
    expect(stdout).toMatch(/\d+ columns came back equal, and every stored byte was checked/)
  }, 180_000)

  it('leaves a place to go on from', async () => {
    expect(readdirSync(kept).sort()).toEqual(['clickhouse', 'key', 'permafrost.yaml', 'repository'])
    const cli = (...args: readonly string[]) => runCli(['-c', join(kept, 'permafrost.yaml'), ...args])
    expect((await cli('list')).stdout.match(/✓ complete/g)).toHaveLength(2)
    expect(await cli('verify', 'latest')).toMatchObject({ code: 0 })
    expect(await cli('restore', 'latest', '-t', 'posthog.groups', '--as', 'posthog_copy')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('posthog_copy.groups'),
    })
    expect(await cli('backup')).toMatchObject({ code: 0, stdout: expect.stringContaining('stored 0 B') })
  }, 60_000)

  it('takes no directory that holds something, and leaves nothing when it is not to be kept', async () => {
    const full = join(home, 'full')
    const { mkdirSync } = await import('node:fs')
    mkdirSync(full)
    writeFileSync(join(full, 'mine'), 'x')
    expect(await runCli(['demo', '--keep', full])).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('is not empty'),
    })
    expect(readdirSync(full)).toEqual(['mine'])
    expect(existsSync(join(full, 'permafrost.yaml'))).toBe(false)
  })
})
