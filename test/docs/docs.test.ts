import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generatedDocs } from '../../scripts/generated-docs.ts'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const documents = [
  'README.md',
  'AGENTS.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

interface Block {
  readonly language: string
  readonly text: string
}

function blocksOf(document: string): readonly Block[] {
  const text = readFileSync(join(root, document), 'utf8')
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', body = '']) => ({
    language,
    text: body,
  }))
}

/** A client for the SQL blocks. */
const SQL = `const { PERMAFROST_CLICKHOUSE_URL: url, PERMAFROST_CLICKHOUSE_USER: user, PERMAFROST_CLICKHOUSE_PASSWORD: password } = process.env
const authorization = 'Basic ' + Buffer.from(user + ':' + password).toString('base64')
fetch(url, { method: 'POST', headers: { authorization }, body: require('node:fs').readFileSync(0) }).then(async (answer) => {
  process.stdout.write(await answer.text())
  process.exitCode = answer.ok ? 0 : 1
})
`

let bench: Workbench
let home: string
let environment: Record<string, string>

/** What the docs take for granted: a ClickHouse with PostHog's tables, and `npx permafrost`. */
beforeAll(async () => {
  bench = await workbench()
  const engine = await bench.engine('clickhouse')
  await engine.run(
    'CREATE DATABASE posthog',
    'CREATE TABLE posthog.person (id UInt64, name String) ENGINE = ReplacingMergeTree ORDER BY id',
    'INSERT INTO posthog.person SELECT number, toString(number) FROM numbers(1000)',
    'CREATE TABLE posthog.groups (id UInt64) ENGINE = MergeTree ORDER BY id',
    'INSERT INTO posthog.groups SELECT number FROM numbers(10)',
  )
  const { url, password } = JSON.parse(readFileSync(join(engine.path, '.permafrost', 'engine.json'), 'utf8')) as {
    readonly url: string
    readonly password: string
  }
  home = mkdtempSync(join(tmpdir(), 'permafrost-docs-'))
  const bin = join(home, 'bin')
  mkdirSync(bin)
  writeFileSync(
    join(bin, 'npx'),
    `#!/bin/sh\n[ "$1" = permafrost ] || exit 1\nshift\nexec ${process.execPath} ${root}/dist/cli/main.js "$@"\n`,
  )
  writeFileSync(join(bin, 'sql'), `#!${process.execPath}\n${SQL}`)
  for (const name of ['npx', 'sql']) chmodSync(join(bin, name), 0o755)
  environment = {
    PATH: `${bin}:${process.env['PATH']}`,
    HOME: home,
    PERMAFROST_CLICKHOUSE_URL: url,
    PERMAFROST_CLICKHOUSE_USER: 'permafrost',
    PERMAFROST_CLICKHOUSE_PASSWORD: password,
    CLICKHOUSE: engine.path,
  }
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

/** All command blocks of a document, in order, in one shell that stops at the first that fails. */
function run(document: string, before = ''): { readonly status: number | null; readonly output: string } {
  const directory = join(home, document.replaceAll('/', '-'))
  mkdirSync(directory)
  const commands = blocksOf(document)
    .filter((block) => ['sh', 'sql'].includes(block.language) && !block.text.startsWith('npm ci'))
    .map((block) =>
      block.language === 'sql'
        ? {
            text: `sql <<'SQL'\n${block.text}SQL\n`,
          }
        : block,
    )
    .map((block) =>
      block.text
        .replaceAll('file:///var/backups', `file://${directory}/backups`)
        .replaceAll('/var/lib/docker/volumes/clickhouse/_data', environment['CLICKHOUSE'] ?? ''),
    )
  const script = ['set -eux', before, ...commands].join('\n')
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
    cwd: directory,
    env: environment,
    encoding: 'utf8',
    timeout: 230_000,
  })
  return { status, output: `${stdout}\n${stderr}` }
}

const PREPARED = `cat > permafrost.yaml <<'YAML'
repository: { url: "file:///BACKUPS", key: "\${file:./permafrost.key}" }
select: { tables: ["posthog.*"] }
YAML
sed -i "s|/BACKUPS|$PWD/prepared|" permafrost.yaml
export PERMAFROST_CONFIG=$PWD/permafrost.yaml
npx permafrost repo init
npx permafrost backup`

/** An agent on a free port, which ends with the shell. */
const WITH_AGENT = `${PREPARED}
port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
cat >> permafrost.yaml <<YAML
agent: { listen: "127.0.0.1:$port", tokens: "\\\${file:./tokens}" }
YAML
trap 'kill $(jobs -p) || true' EXIT`

/** What is done before a document's commands. */
const BEFORE: Readonly<Record<string, string>> = {
  'README.md': '',
  'docs/agent.md': WITH_AGENT,
  'docs/backup.md': PREPARED,
  // The page names the first repository.
  'docs/copy.md': PREPARED.replaceAll('$PWD/prepared', '$PWD/backups/clickhouse'),
  'docs/posthog.md': PREPARED,
  'docs/query.md': PREPARED,
  'docs/restore.md': PREPARED,
  'docs/retention.md': PREPARED,
  'docs/verify.md': PREPARED,
  'docs/security.md': '',
  'docs/configuration.md': '',
}

describe('every command block in the docs', () => {
  it.each(documents.filter((document) => blocksOf(document).some((block) => block.language === 'sh')))(
    'of %s does what it says',
    async (document) => {
      const engine = await bench.engine('clickhouse')
      await engine.run(
        'DROP DATABASE IF EXISTS posthog_check SYNC',
        'DROP DATABASE IF EXISTS posthog_partition SYNC',
        'DROP DATABASE IF EXISTS posthog_empty SYNC',
        'DROP TABLE IF EXISTS posthog.person_check SYNC',
      )
      const before = BEFORE[document]
      expect({ document, known: before !== undefined }).toEqual({ document, known: true })
      const { status, output } = run(document, before)
      expect({ status, output }).toEqual({ status: 0, output: expect.any(String) })
    },
  )

  it('of the README is one of two commands that set everything up, or part of the tour', () => {
    const commands = blocksOf('README.md')
      .filter((block) => block.language === 'sh' && block.text.startsWith('npm ci'))
      .map((block) => block.text.trim())
    expect(commands).toEqual(['npm ci && npm run demo', 'npm ci && npm test'])
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly scripts: Record<string, string>
    }
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['demo', 'test', 'check']))
  })

  it('in another language is one that no shell runs', () => {
    const languages = new Set(documents.flatMap((document) => blocksOf(document).map((block) => block.language)))
    expect([...languages].sort()).toEqual(['', 'json', 'sh', 'sql', 'text', 'yaml'])
  })
})

describe('the docs', () => {
  it('that are tables of the code are up to date: npm run docs', () => {
    for (const [name, text] of generatedDocs()) expect(readFileSync(join(root, 'docs', name), 'utf8')).toBe(text)
  })

  it('point to files that are there', () => {
    for (const document of documents) {
      const text = readFileSync(join(root, document), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        expect({
          document,
          target,
          there: readdirSync(join(root, document, '..', target, '..')).includes(target.split('/').at(-1) ?? ''),
        }).toMatchObject({ there: true })
      }
    }
  })

  it('name tests that there are', () => {
    const text = readFileSync(join(root, 'docs', 'scenarios.md'), 'utf8')
    const cited = [...text.matchAll(/\]\(\.\.\/(test\/[^)]+)\)((?:;? "[^"]+")+)/g)]
    expect(cited.length).toBeGreaterThan(40)
    for (const [, file = '', names = ''] of cited) {
      const source = readFileSync(join(root, file), 'utf8')
      for (const [, name = ''] of names.matchAll(/"([^"]+)"/g))
        expect({ file, name, there: source.includes(name) }).toMatchObject({ there: true })
    }
  })

  it('map every folder of the source', () => {
    const map = readFileSync(join(root, 'AGENTS.md'), 'utf8')
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
    for (const { name } of folders) expect(map).toContain(`src/${name}/`)
    for (const [, file = ''] of map.matchAll(
      /`((?:core|config|storage|engine|repository|operations|server|cli)\/[\w-]+\.ts)`/g,
    ))
      expect(readdirSync(join(root, 'src', file, '..'))).toContain(file.split('/').at(-1))
  })
})
