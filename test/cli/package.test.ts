import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { workbench } from '../helpers/workbench.ts'
import type { Workbench } from '../helpers/workbench.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let home: string
let bench: Workbench

/** The package as it is built, with its dependencies and without the optional ones. */
beforeAll(async () => {
  bench = await workbench()
  home = mkdtempSync(join(tmpdir(), 'permafrost-package-'))
  const rolldown = join(root, 'node_modules/rolldown/bin/cli.mjs')
  const { status, stderr } = spawnSync(process.execPath, [rolldown, '-c', '-d', join(home, 'dist')], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  for (const name of ['package.json', 'recovery']) cpSync(join(root, name), join(home, name), { recursive: true })
  mkdirSync(join(home, 'node_modules'))
  const optional = new Set(['chdb', '@chdb', 'ffi-rs', '@yuuang'])
  for (const name of readdirSync(join(root, 'node_modules')).filter((entry) => !optional.has(entry)))
    symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name))
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await bench[Symbol.asyncDispose]()
})

const run = (...args: readonly string[]) =>
  spawnSync(process.execPath, [join(home, 'dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  })

describe('the built package', () => {
  it('backs up and restores a server, workers and all', async () => {
    const engine = await bench.engine('server')
    await engine.run(
      'CREATE DATABASE s',
      'CREATE TABLE s.t (k UInt64) ENGINE = MergeTree ORDER BY k',
      'INSERT INTO s.t SELECT number FROM numbers(100000)',
    )
    const { url, password } = JSON.parse(readFileSync(join(engine.path, '.permafrost', 'engine.json'), 'utf8')) as {
      readonly url: string
      readonly password: string
    }
    const config = join(home, 'c.yaml')
    writeFileSync(
      config,
      `clickhouse: { url: "${url}", user: permafrost, password: "${password}" }\nrepository: { url: "file://${home}/repository", key: "\${file:./key}" }`,
    )
    for (const args of [['repo', 'init'], ['backup'], ['verify'], ['restore', 'latest', '--as', 'copy']]) {
      const { status, stderr } = run('-c', config, ...args)
      expect({ args, status, stderr }).toMatchObject({ status: 0 })
    }
    expect(await engine.value('SELECT sum(k) FROM copy.t')).toBe(await engine.value('SELECT sum(k) FROM s.t'))
  })

  it('says clearly that the embedded engine is not installed', () => {
    const { status, stderr } = run('demo')
    expect({ status, stderr }).toMatchObject({
      status: 9,
      stderr: expect.stringMatching(/the embedded ClickHouse is not installed[\s\S]*npm install chdb ffi-rs/),
    })
  })

  it('loads no client of a server or a store before a command needs one', () => {
    const hook = `import { isBuiltin, registerHooks } from 'node:module'
      const isPackage = (name) => !isBuiltin(name) && !/^(file:|[.])/.test(name)
      registerHooks({ resolve: (name, context, next) => { if (isPackage(name)) console.error(name); return next(name, context) } })`
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, join(home, 'dist/cli/main.js'), 'version'],
      { encoding: 'utf8' },
    )
    expect({ stdout, stderr }).toEqual({ stdout: expect.stringContaining('permafrost'), stderr: '' })
  })

  it('is a library, too', () => {
    const script = `import { openStorage, listBackups, openRepository, PermafrostError } from ${JSON.stringify(join(home, 'dist/index.js'))}
      const repository = await openRepository(await openStorage('file://${home}/repository', { clock: () => new Date(), random: (await import('node:crypto')).randomBytes }), { secret: (await import('node:fs')).readFileSync('${home}/key', 'utf8'), purpose: 'read' })
      console.log((await listBackups(repository)).length, typeof PermafrostError)`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect({ stdout, stderr }).toMatchObject({ stdout: '1 function\n' })
  })
})
