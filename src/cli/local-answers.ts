import { PermafrostError } from '../core/errors.ts'
import { displayName } from '../core/sql.ts'
import { formatBytes, formatCount, plural } from '../core/units.ts'
import type { LocalSnapshot } from '../engine/local-snapshots.ts'
import type { KeepLocalOptions } from '../operations/keep-local.ts'
import type { ListedSnapshot } from '../operations/list-local.ts'
import { exitCodeOf } from './command.ts'
import type { Composition } from './compose.ts'
import { findLocal, isLocal } from './find-local.ts'
import { table } from './output.ts'
import type { Cell, TableColumn } from './output.ts'

// What the commands answer when a local snapshot is meant, and no backup in a repository.

/** `backup --local` */
export async function backupLocal(c: Composition, options: KeepLocalOptions): Promise<number> {
  const { keepLocal } = await import('../operations/keep-local.ts')
  const snapshot = await keepLocal({ ...c.base(), engine: await c.engine() }, options)
  c.output.answer(await listed(c, snapshot), () => [
    `Local snapshot ${snapshot.id}: ${plural(snapshot.tables.length, 'table')}, on the server's own disks: no safeguard against their loss`,
    `  Store it:  permafrost backup --from-local ${snapshot.id}      Put it back:  permafrost restore local:${snapshot.id} --as <database>`,
  ])
  return exitCodeOf(snapshot.findings)
}

/** `list --local` */
export async function answerLocalList(c: Composition): Promise<void> {
  const snapshots = await allListed(c)
  c.output.answer(snapshots, () =>
    snapshots.length > 0
      ? table(c.output, LIST_COLUMNS, snapshots.map(listRow))
      : ['The server has no local snapshot:  permafrost backup --local'],
  )
}

/** `show local:<id>` */
export async function showLocal(c: Composition, name: string): Promise<void> {
  const snapshot = await findLocal(c, name)
  const { totalsOf } = await import('../operations/local-source.ts')
  const summary = await listed(c, snapshot)
  const tables = snapshot.tables.map(({ table: { database, name: tableName, engine }, at, parts }) => ({
    database,
    name: tableName,
    engine,
    ...totalsOf(parts),
    frozenAt: at,
  }))
  c.output.answer({ ...summary, tables, findings: snapshot.findings }, () => [
    `Local snapshot ${snapshot.id} of ${snapshot.server.host}`,
    ...table(
      c.output,
      SHOW_COLUMNS,
      tables.map((one): readonly Cell[] => [
        displayName(one),
        one.engine,
        String(one.parts),
        formatCount(one.rows),
        formatBytes(one.bytes),
        one.frozenAt,
      ]),
    ),
  ])
}

/** `forget local:<id>`: at once and for good, for what it pins is wanted back. */
export async function forgetLocal(c: Composition, names: readonly string[]): Promise<void> {
  if (!names.every(isLocal))
    throw new PermafrostError('USAGE', 'local snapshots and backups are forgotten by commands of their own')
  const { removeLocalSnapshot } = await import('../engine/local-snapshots.ts')
  const info = await (await c.engine()).describe()
  const snapshots = await Promise.all(names.map((name) => findLocal(c, name)))
  for (const snapshot of snapshots) await removeLocalSnapshot(snapshot, { info, disk: c.base().disk })
  const ids = snapshots.map(({ id }) => id)
  c.output.answer({ forgotten: ids }, () => ids.map((id) => `Local snapshot ${id} is gone`))
}

async function allListed(c: Composition): Promise<readonly ListedSnapshot[]> {
  const { listLocal } = await import('../operations/list-local.ts')
  return listLocal({ ...c.base(), engine: await c.engine() })
}

async function listed(c: Composition, { id }: LocalSnapshot): Promise<ListedSnapshot | undefined> {
  return (await allListed(c)).find((snapshot) => snapshot.id === id)
}

const LIST_COLUMNS: readonly TableColumn[] = [
  { title: 'LOCAL' },
  { title: 'MADE' },
  { title: 'TABLES', right: true },
  { title: 'PARTS', right: true },
  { title: 'LOGICAL', right: true },
  { title: 'PINNED', right: true },
  { title: 'STATUS' },
  { title: 'TAGS' },
]

function listRow({ id, started, tables, parts, logical, pinned, status, tags }: ListedSnapshot): readonly Cell[] {
  const mark: Cell =
    status === 'complete' ? { text: '✓ complete', style: 'green' } : { text: '! incomplete', style: 'yellow' }
  const sizes = [String(tables), String(parts), formatBytes(logical), formatBytes(pinned)]
  return [`local:${id}`, started, ...sizes, mark, tags.join(' ')]
}

const SHOW_COLUMNS: readonly TableColumn[] = [
  { title: 'TABLE' },
  { title: 'ENGINE' },
  { title: 'PARTS', right: true },
  { title: 'ROWS', right: true },
  { title: 'LOGICAL', right: true },
  { title: 'FROZEN' },
]
