import type { Check } from '../core/check.ts'
import { isThere, listIfThere } from '../core/disk-error.ts'
import { PermafrostError, toPermafrostError } from '../core/errors.ts'
import { layout } from '../core/layout.ts'
import { sql, trusted } from '../core/sql.ts'
import { formatBytes, plural } from '../core/units.ts'
import { isMergeTree, readCatalog } from '../engine/catalog.ts'
import { CLICKHOUSE, isClickHouse } from '../engine/clickhouse-error.ts'
import type { Engine, ServerInfo } from '../engine/engine.ts'
import { tableDirectories } from '../engine/shadow.ts'
import { clearStaleFreezes } from '../engine/unfreeze.ts'
import { listBackups } from '../repository/backups.ts'
import type { Repository } from '../repository/repository.ts'
import type { Context } from './context.ts'

/** What the doctor looks at; each part is opened by its own check, so that one failure does not hide the others. */
export interface DoctorContext extends Omit<Context, 'repository' | 'engine'> {
  readonly openEngine: () => Promise<Engine>
  readonly openRepository: () => Promise<Repository>
}

/** Grants that a backup and a restore need. */
const GRANTS: readonly (readonly [grant: string, why: string])[] = [
  ['SELECT ON system.*', 'to read the catalogue'],
  ['SHOW TABLES, SHOW COLUMNS ON *.*', 'to see every table'],
  ['ALTER FREEZE PARTITION ON *.*', 'to freeze and unfreeze'],
]

/** Look at everything that a backup needs, say what is wrong and what to do, and clear what killed runs of ours left. */
export async function doctor(ctx: DoctorContext): Promise<readonly Check[]> {
  const checks: Check[] = []
  const engine = await attempt(checks, 'clickhouse', ctx.openEngine)
  const info = engine && (await attempt(checks, 'clickhouse', () => engine.describe()))
  if (engine && info) {
    checks.push({
      name: 'clickhouse',
      status: 'ok',
      message: `ClickHouse ${info.version} answers at ${engine.location}`,
    })
    await attempt(checks, 'grants', async () => checks.push(await checkGrants(engine)))
    await attempt(checks, 'files', async () => checks.push(...(await checkFiles(engine, info, ctx))))
    await attempt(checks, 'freezes', async () => checks.push(await checkFreezes(engine, info, ctx)))
    checks.push(...checkSpace(info))
  }
  const repository = await attempt(checks, 'repository', ctx.openRepository)
  if (repository) {
    checks.push({
      name: 'repository',
      status: 'ok',
      message: `repository ${repository.format.id} at ${repository.storage.location} opens`,
    })
    await attempt(checks, 'storage', async () => checks.push(await checkStorage(repository, ctx)))
    await attempt(checks, 'backups', async () => checks.push(await checkBackups(repository, ctx.clock())))
  }
  return checks
}

async function attempt<T>(checks: Check[], name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    const { code, message, hint } = toPermafrostError(error)
    checks.push({ name, status: 'failed', message, code, ...(hint.length > 0 && { hint }) })
    return undefined
  }
}

async function checkGrants(engine: Engine): Promise<Check> {
  const missing: string[] = []
  for (const [grant] of GRANTS) {
    try {
      const [row] = await engine.query(sql`CHECK GRANT ${trusted(grant)}`)
      if (row && Number(Object.values(row)[0]) === 0) missing.push(grant)
    } catch (error) {
      if (!isClickHouse(error, CLICKHOUSE.SYNTAX_ERROR)) throw error
      return {
        name: 'grants',
        status: 'ok',
        message: 'this server cannot be asked about grants; a backup will say what it lacks',
      }
    }
  }
  if (missing.length === 0)
    return { name: 'grants', status: 'ok', message: 'the user may read the catalogue and freeze' }
  return {
    name: 'grants',
    status: 'failed',
    code: 'UNAUTHORIZED',
    message: `the user lacks ${plural(missing.length, 'grant')}`,
    hint: missing.map((grant) => `GRANT ${grant} TO <user>`),
  }
}

async function checkFiles(engine: Engine, info: ServerInfo, { disk }: DoctorContext): Promise<readonly Check[]> {
  const tables = (await readCatalog(engine, info)).filter(isMergeTree)
  const used = new Map(
    tables.flatMap((table) => tableDirectories(table, info)).map((directory) => [directory.disk.name, directory]),
  )
  return [...used.values()].map(({ disk: one, local }): Check => {
    const name = `disk ${one.name}`
    if (one.type === 'object')
      return { name, status: 'warning', message: 'is object storage: tables on it are not covered yet' }
    if (!isThere(disk, one.local)) {
      const hint = ['run Permafrost on the server’s own machine', `or set clickhouse.disks: { ${one.name}: /path }`]
      return { name, status: 'failed', code: 'ENGINE_REFUSED', message: `${one.local} is not on this machine`, hint }
    }
    listIfThere(disk, local)
    return { name, status: 'ok', message: `its files can be read at ${one.local}` }
  })
}

async function checkFreezes(engine: Engine, info: ServerInfo, { disk, self, emit }: DoctorContext): Promise<Check> {
  const { cleared, unknown } = await clearStaleFreezes({ engine, info, disk }, self, emit)
  if (unknown.length > 0) {
    const hint = unknown.map(
      (name) => `if no Permafrost on another machine made it:  ${sql`SYSTEM UNFREEZE WITH NAME ${name}`.text}`,
    )
    return {
      name: 'freezes',
      status: 'warning',
      message: `${plural(unknown.length, 'freeze')} of another machine or container pin space`,
      hint,
    }
  }
  const what =
    cleared.length > 0
      ? `cleared ${plural(cleared.length, 'freeze')} that killed runs had left`
      : 'no killed run left anything behind'
  return { name: 'freezes', status: 'ok', message: what }
}

function checkSpace({ disks }: ServerInfo): readonly Check[] {
  return disks
    .filter((disk) => disk.type === 'local' && disk.freeBytes < 1 << 30)
    .map((disk) => ({
      name: `disk ${disk.name}`,
      status: 'warning',
      message: `only ${formatBytes(disk.freeBytes)} free`,
    }))
}

/** Write, read back, write again, delete: what a commit relies on. */
async function checkStorage({ storage }: Repository, { random }: DoctorContext): Promise<Check> {
  const key = `${layout.scratch.prefix}${Buffer.from(random(8)).toString('hex')}`
  const body = random(1024)
  await storage.put(key, body, { ifAbsent: true })
  try {
    const back = await storage.get(key)
    if (!back || !Buffer.from(back).equals(body))
      throw new PermafrostError('STORAGE_UNAVAILABLE', `${storage.location} does not give back what was written`)
    const again = await storage.put(key, random(1024), { ifAbsent: true })
    if (again === 'created')
      throw new PermafrostError('STORAGE_UNAVAILABLE', `${storage.location} overwrites what must not be overwritten`)
  } finally {
    await storage.delete([key])
  }
  return { name: 'storage', status: 'ok', message: 'can be written, read and deleted, and overwrites nothing' }
}

async function checkBackups(repository: Repository, now: Date): Promise<Check> {
  const backups = await listBackups(repository)
  const damaged = backups.filter((backup) => backup.outcome === 'damaged')
  if (damaged.length > 0) {
    return {
      name: 'backups',
      status: 'failed',
      code: 'DAMAGED',
      message: `${plural(damaged.length, 'record')} cannot be read`,
      hint: ['permafrost list'],
    }
  }
  const last = backups.findLast((backup) => backup.outcome === 'read')
  if (!last)
    return {
      name: 'backups',
      status: 'warning',
      message: 'the repository holds no backup yet',
      hint: ['permafrost backup'],
    }
  const hours = (now.getTime() - Date.parse(last.summary.started)) / 3_600_000
  return {
    name: 'backups',
    status: 'ok',
    message: `${plural(backups.length, 'backup')}, the last ${hours.toFixed(1)} hours ago`,
  }
}
