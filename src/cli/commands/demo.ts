import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { PermafrostError } from '../../core/errors.ts'
import { formatBytes, formatSeconds, MIB } from '../../core/units.ts'
import { makeKeyFile } from '../../repository/keys.ts'
import { initRepository } from '../../repository/repository.ts'
import type { AddCommand } from '../command.ts'
import { compose } from '../compose.ts'
import type { Composition } from '../compose.ts'
import type { DemoResult } from '../demo/run-demo.ts'
import { scratchDirectory } from '../scratch-directory.ts'

/** `permafrost demo` */
export const addDemo: AddCommand = (program, run) => {
  program
    .command('demo')
    .summary('see it work, in two minutes')
    .description(
      'Make a small PostHog in an embedded ClickHouse, back it up, change it, destroy a table, restore it, and compare every column.',
    )
    .option('--keep <directory>', 'leave the data, the configuration and the repository there, to go on from')
    .action((options: { readonly keep?: string }, command) =>
      run(command, async (outer) => {
        const directory =
          options.keep === undefined ? mkdtempSync(join(tmpdir(), 'permafrost-demo-')) : newDirectory(options.keep)
        try {
          const result = await inDirectory(directory, outer)
          outer.output.answer({ ...result, ...(options.keep !== undefined && { directory }) }, () =>
            summary(result, options.keep === undefined ? undefined : directory),
          )
        } finally {
          if (options.keep === undefined) await rm(directory, { recursive: true, force: true })
        }
      }),
    )
}

/** The same way as any user: a configuration file, a key, a repository, an engine. */
async function inDirectory(directory: string, outer: Composition): Promise<DemoResult> {
  const config = join(directory, 'permafrost.yaml')
  writeFileSync(join(directory, 'key'), makeKeyFile(randomBytes), { mode: 0o600, flag: 'wx' })
  const settings = {
    embedded: { path: './clickhouse' },
    repository: { url: `file://${join(directory, 'repository')}`, key: '${file:./key}' },
    select: { tables: ['posthog.*'] },
  }
  writeFileSync(
    config,
    `# Made by permafrost demo. The key opens the repository: real ones belong somewhere else.\n${stringify(settings)}`,
  )
  const { repo: _repo, ...globals } = outer.globals
  await using c = compose(
    { ...globals, config, progress: globals.progress === 'auto' ? 'none' : globals.progress },
    outer.process,
    outer.signal,
  )
  await initRepository(await c.storage(), {
    suite: 'aes-256-gcm',
    secret: c.key()?.read(),
    packTarget: 64 * MIB,
    at: new Date(),
    random: randomBytes,
  })
  const { runDemo } = await import('../demo/run-demo.ts')
  const ctx = { ...(await c.context('write')), scratch: scratchDirectory(c, undefined) }
  return await runDemo(ctx, (line) => outer.output.say(line))
}

function newDirectory(path: string): string {
  const directory = resolve(path)
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new PermafrostError('CONFLICT', `${directory} is not empty`, {
      hint: 'give a directory that is empty, or not there yet',
    })
  }
  mkdirSync(directory, { recursive: true })
  return directory
}

function summary({ first, second, columns, seconds }: DemoResult, kept: string | undefined): readonly string[] {
  return [
    '',
    `It holds: two complete backups of ${formatBytes(first.logical)} and ${formatBytes(second.logical)} take ${formatBytes(first.stored + second.stored)}, encrypted;`,
    `${columns} columns came back equal, and every stored byte was checked. ${formatSeconds(seconds)} in all.`,
    ...(kept === undefined
      ? ['', 'To look around afterwards:  npm run demo -- --keep ./demo']
      : [
          '',
          `Everything is left in ${kept}. Go on from there:`,
          ...[
            'list',
            'status',
            'show latest',
            'verify latest',
            'restore latest -t posthog.groups --as posthog_copy',
          ].map((command) => `  npx permafrost -c ${kept}/permafrost.yaml ${command}`),
        ]),
  ]
}
