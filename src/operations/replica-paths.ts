import { readCreate } from '../core/create-statement.ts'
import { replicaPathOf } from '../core/engine-edits.ts'
import type { ReplicaPath } from '../core/engine-edits.ts'
import { PermafrostError } from '../core/errors.ts'
import type { RestorePlan, RestoreStep } from '../core/restore-plan.ts'
import { displayName } from '../core/sql.ts'
import type { Engine, ServerInfo } from '../engine/engine.ts'
import { dropReplica, readMacros, readReplicaPaths, replicasAt } from '../engine/replicas.ts'
import type { TableAtPath } from '../engine/replicas.ts'

/** What is at the path of a table that a restore will make. */
interface Occupied {
  readonly step: RestoreStep
  readonly at: ReplicaPath
  readonly replicas: readonly string[]
  /** The table of this server that lives there. */
  readonly lives: TableAtPath | undefined
}

/**
 * Look in ZooKeeper before anything is made: at the path of a new replicated table there must be nobody, or its rows would be fetched
 * from others and attached on top of them. What a table that is lost left of this replica is removed when that is wished.
 *
 * @returns removes what was left
 * @throws CONFLICT
 */
export async function checkReplicaPaths(
  engine: Engine,
  info: ServerInfo,
  { plan, drop }: { readonly plan: RestorePlan; readonly drop: boolean },
): Promise<() => Promise<void>> {
  const steps = plan.steps.filter(({ action }) => action === 'create' || action === 'create-empty' || action === 'swap')
  const wanted = steps.flatMap((step) => {
    const at = replicaPathOf(readCreate(step.create))
    return at ? [{ step, at }] : []
  })
  if (wanted.length === 0 || !info.can.hasTable('zookeeper')) return async () => undefined
  const macros = await readMacros(engine, info)
  const tables = await readReplicaPaths(engine)
  const left: ReplicaPath[] = []
  for (const { step, at: written } of wanted) {
    const at = { path: expand(written.path, macros), replica: expand(written.replica, macros) }
    const replicas = await replicasAt(engine, at.path)
    const lives = tables.find(({ path }) => path === at.path)
    const conflict = conflictAt({ step, at, replicas, lives }, drop)
    if (conflict) throw conflict
    if (replicas.includes(at.replica)) left.push(at)
  }
  return async () => {
    for (const at of left) await dropReplica(engine, at)
  }
}

function conflictAt({ step, at, replicas, lives }: Occupied, drop: boolean): PermafrostError | undefined {
  const name = displayName(step.target)
  const elsewhere = [
    `give it a path of its own:  --replica-path '/clickhouse/tables/{shard}/{database}.{table}'`,
    'or make it a plain table:  --engine plain',
  ]
  if (lives)
    return new PermafrostError(
      'CONFLICT',
      `${name} would live at ${at.path} in ZooKeeper, and ${displayName(lives)} does`,
      {
        hint: elsewhere,
      },
    )
  if (replicas.includes(at.replica) && !drop)
    return new PermafrostError(
      'CONFLICT',
      `ZooKeeper holds a replica ${at.replica} at ${at.path}, which no table of this server is: a lost one left it`,
      { hint: ['remove it:  --drop-replica', ...elsewhere] },
    )
  const others = replicas.filter((replica) => replica !== at.replica)
  if (others.length > 0 && step.action !== 'create-empty')
    return new PermafrostError(
      'CONFLICT',
      `${name} has replicas at ${at.path} in ZooKeeper already: ${others.join(', ')}. Their rows would be there twice`,
      { hint: ['let it fetch from them:  --schema-only', ...elsewhere] },
    )
  return undefined
}

function expand(text: string, macros: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => macros.get(name) ?? whole)
}
