import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { makeBackupId } from '../src/core/backup-id.ts'
import { metaWriter } from '../src/repository/meta-writer.ts'
import { prepareBackup } from '../src/repository/backups.ts'
import { initRepository } from '../src/repository/repository.ts'
import type { Repository } from '../src/repository/repository.ts'
import { fileStorage } from '../src/storage/file.ts'

// What the agent costs: memory when it idles, with a repository of 1,000 backups and with 200 open event streams, and how long
// the list of backups takes, the first time and after that. Memory is the kernel's (VmRSS).
//
//   npm run build && node bench/agent.ts

const BACKUPS = 1000
const STREAMS = 200
/** Bytes. */
const MOST_IDLE = 120 * 1024 * 1024

const directory = mkdtempSync(join(tmpdir(), 'permafrost-bench-'))
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

async function makeBackups(repository: Repository): Promise<void> {
  const session = randomBytes(16).toString('hex')
  const meta = metaWriter(repository, { session, random: randomBytes })
  for (let n = 0; n < BACKUPS; n++) {
    const at = new Date(Date.UTC(2026, 0, 1) + n * 6 * 3_600_000)
    const summary = {
      id: makeBackupId(at, randomBytes(6)),
      status: 'complete',
      started: at.toISOString(),
      finished: at.toISOString(),
      host: 'bench',
      server: 'bench',
      clickhouse: '26.7',
      permafrost: 'bench',
      session,
      tags: [],
      selection: ['*.*'],
      tables: 98,
      parts: 20_000,
      rows: 1e9,
      logical: 1e12,
      stored: 1e9,
      reused: 1e12 - 1e9,
      findings: 0,
    } as const
    const contents = { databases: [], tables: [], findings: [] }
    const prepared = await prepareBackup(repository, { summary, contents }, { meta, random: randomBytes })
    await prepared.commit(`${session}.1`)
  }
}

function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) * 1024
}

const mib = (bytes: number) => Math.round(bytes / 1024 / 1024)

const storage = fileStorage(join(directory, 'repository'))
await makeBackups(
  await initRepository(storage, { suite: 'none', packTarget: 8 << 20, at: new Date(), random: randomBytes }),
)
const config = join(directory, 'config.yaml')
writeFileSync(
  config,
  JSON.stringify({ repository: { url: `file://${directory}/repository` }, agent: { listen: '127.0.0.1:0' } }),
)
const child = spawn(process.execPath, [main, '-c', config, 'agent'], { stdio: ['ignore', 'inherit', 'pipe'] })
try {
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const address = () => /"url":"([^"]+)"/.exec(log)?.[1]
  while (address() === undefined && child.exitCode === null) await sleep(20)
  const url = `${address()}/api/v1`
  const pid = child.pid ?? 0
  const listed = async () => {
    const started = performance.now()
    const { backups } = (await (await fetch(`${url}/backups`)).json()) as { readonly backups: readonly unknown[] }
    return { backups: backups.length, milliseconds: Math.round(performance.now() - started) }
  }
  await sleep(2000)
  const idle = residentBytes(pid)
  const first = await listed()
  const second = await listed()
  await sleep(2000)
  const knowing = residentBytes(pid)
  const stop = new AbortController()
  const streams = await Promise.all(
    Array.from({ length: STREAMS }, async (_, n) => {
      // The limit of requests is by the second: a console does not open two hundred at once.
      await sleep(n * 25)
      return fetch(`${url}/events`, { signal: stop.signal })
    }),
  )
  const isOpen = streams.filter((stream) => stream.status === 200).length
  const told = new Set<Response>()
  for (const stream of streams)
    void (async () => {
      for await (const chunk of stream.body ?? [])
        if (Buffer.from(chunk as Uint8Array).includes('pause')) told.add(stream)
    })().catch(() => undefined)
  await fetch(`${url}/schedule/pause`, { method: 'POST' })
  await sleep(2000)
  const streaming = residentBytes(pid)
  stop.abort()
  const result = {
    idleMiB: mib(idle),
    list: { first, second },
    withBackupsMiB: mib(knowing),
    streams: { open: isOpen, told: told.size, MiB: mib(streaming) },
  }
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
  process.exitCode = idle < MOST_IDLE && knowing < MOST_IDLE && told.size === STREAMS ? 0 : 1
} finally {
  child.kill('SIGTERM')
  rmSync(directory, { recursive: true, force: true })
}
