import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where a tool works. */
export interface Place {
  /** The frozen parts, as plain directories. */
  readonly source: string
  /** Its own, for what it keeps. */
  readonly target: string
  /** Its own, empty: for what it restores. */
  readonly out: string
  /** The engine's HTTP address, with its user. */
  readonly engine: { readonly url: string; readonly user: string }
  readonly database: string
}

export type Step = 'first' | 'again' | 'changed' | 'restore'
export const STEPS: readonly Step[] = ['first', 'again', 'changed', 'restore']

/** A tool that is measured. A step that it has not is no row. */
export interface Peer {
  readonly name: string
  /** What must be installed. */
  readonly program: string
  readonly env?: Readonly<Record<string, string>>
  /** Before the first step, not measured. */
  readonly prepare?: (place: Place) => readonly string[]
  /** Its work is done by the server: the process that was measured only waits. */
  readonly inServer?: true
  readonly command: (step: Step, place: Place) => readonly string[] | undefined
}

export const PERMAFROST_MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const sh = (script: string, ...args: readonly string[]) => ['sh', '-c', script, 'sh', ...args]

export const PERMAFROST = 'permafrost'

/** One statement over HTTP. */
const STATEMENT = `
const [url, user, statement] = process.argv.slice(1)
const answer = await fetch(url, { method: 'POST', body: statement, headers: { 'X-ClickHouse-User': user } })
if (!answer.ok) { console.error(await answer.text()); process.exit(1) }
`

/** Every tool works on the same bytes; Permafrost and `BACKUP` freeze them themselves, the others are given a freeze. */
export const PEERS: readonly Peer[] = [
  {
    name: PERMAFROST,
    program: process.execPath,
    prepare: (place) => {
      const { url, user } = place.engine
      const clickhouse = JSON.stringify({ url, user })
      const repository = JSON.stringify({
        url: `file://${place.target}/repository`,
        key: `\${file:${place.target}/key}`,
      })
      const select = JSON.stringify({ tables: [`${place.database}.*`] })
      writeFileSync(configOf(place), `clickhouse: ${clickhouse}\nrepository: ${repository}\nselect: ${select}\n`)
      return [process.execPath, PERMAFROST_MAIN, '-c', configOf(place), 'repo', 'init']
    },
    command: (step, place) => [
      process.execPath,
      PERMAFROST_MAIN,
      '-c',
      configOf(place),
      '--progress',
      'none',
      ...(step === 'restore' ? ['restore', 'latest', '--as', 'restored'] : ['backup']),
    ],
  },
  {
    name: 'cp -r',
    program: 'cp',
    command: (step, { source, target, out }) => {
      if (step === 'restore') return ['cp', '-r', join(target, 'changed'), out]
      return step === 'again' ? undefined : ['cp', '-r', source, join(target, step)]
    },
  },
  {
    name: 'tar',
    program: 'tar',
    command: (step, { source, target, out }) => {
      if (step === 'restore') return ['tar', '-xf', join(target, 'changed.tar'), '-C', out]
      return step === 'again' ? undefined : ['tar', '-cf', join(target, `${step}.tar`), '-C', source, '.']
    },
  },
  {
    name: 'rsync --link-dest',
    program: 'rsync',
    command: (step, { source, target, out }) => {
      if (step === 'restore') return ['rsync', '-a', `${join(target, 'changed')}/`, `${out}/`]
      const before = { first: undefined, again: 'first', changed: 'again' }[step]
      const link = before ? [`--link-dest=${join(target, before)}`] : []
      return ['rsync', '-a', ...link, `${source}/`, `${join(target, step)}/`]
    },
  },
  {
    name: 'restic',
    program: 'restic',
    env: { RESTIC_PASSWORD: 'bench' },
    prepare: ({ target }) => ['restic', '-q', '-r', join(target, 'restic'), 'init'],
    // Its best mode: FREEZE changes the ctime of every file, and without these it reads all of them again.
    command: (step, { source, target, out }) => {
      const base = ['restic', '-q', '-r', join(target, 'restic'), '--compression', 'off']
      if (step === 'restore') return [...base, 'restore', 'latest', '--target', out]
      return [...base, 'backup', '--ignore-ctime', '--ignore-inode', source]
    },
  },
  {
    name: 'borg',
    program: 'borg',
    env: { BORG_PASSPHRASE: 'bench', BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' },
    prepare: ({ target }) => ['borg', 'init', '-e', 'repokey', join(target, 'borg')],
    command: (step, { source, target, out }) => {
      const repository = join(target, 'borg')
      if (step === 'restore') return sh('cd "$1" && exec borg extract "$2"', out, `${repository}::changed`)
      return [
        'borg',
        'create',
        '--compression',
        'none',
        '--files-cache',
        'mtime,size',
        `${repository}::${step}`,
        source,
      ]
    },
  },
  {
    name: 'rclone',
    program: 'rclone',
    command: (step, { source, target, out }) => {
      const quiet = ['rclone', '-q', '--transfers', '4']
      if (step === 'restore') return [...quiet, 'copy', join(target, 'rclone'), out]
      return [...quiet, 'sync', source, join(target, 'rclone')]
    },
  },
  {
    name: 'BACKUP TO File',
    program: process.execPath,
    inServer: true,
    command: (step, { engine, database, target }) => {
      const backup = (of: string) => `File('${basename(target)}-${of}')`
      const base = step === 'first' ? '' : ` SETTINGS base_backup = ${backup('first')}`
      const statement =
        step === 'restore'
          ? `RESTORE DATABASE ${database} AS restored FROM ${backup('changed')}`
          : `BACKUP DATABASE ${database} TO ${backup(step)}${base}`
      return [process.execPath, '--input-type=module', '-e', STATEMENT, engine.url, engine.user, statement]
    },
  },
]

/** Those that are installed here. */
export function installedPeers(): readonly Peer[] {
  return PEERS.filter(({ program }) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0)
}

function configOf({ target }: Place): string {
  return join(target, 'permafrost.yaml')
}
