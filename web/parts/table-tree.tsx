import { useSignal } from '@preact/signals'
import { displayName } from '../../src/core/sql.ts'
import { formatBytes, plural } from '../../src/core/units.ts'
import { get } from '../api.ts'
import { formatCount } from '../format.ts'
import { useResource } from '../resource.ts'
import { href } from '../route.ts'
import type { Diff, Partition, Table } from '../types.ts'
import { Loaded } from './loaded.tsx'
import { Mark } from './mark.tsx'
import { ShareBar } from './share-bar.tsx'

/** The tables of a backup; each opens to its partitions, these to their parts, and to its definition. */
export function TableTree({
  backup,
  tables,
  diff,
}: {
  readonly backup: string
  readonly tables: readonly Table[]
  /** Against the backup before it, when that is known. */
  readonly diff: Diff | undefined
}) {
  const filter = useSignal('')
  const shown = tables.filter((table) => displayName(table).includes(filter.value))
  return (
    <>
      {tables.length > 10 && (
        <div class="tools">
          <label class="field">
            <span>Filter tables</span>
            <input type="search" value={filter.value} onInput={(event) => (filter.value = event.currentTarget.value)} />
          </label>
        </div>
      )}
      <div class="table-frame">
        <table aria-label="Tables">
          <thead>
            <tr>
              <th scope="col">Table</th>
              <th scope="col">Engine</th>
              <th scope="col" class="number">
                Rows
              </th>
              <th scope="col" class="number">
                Parts
              </th>
              <th scope="col" class="number">
                Logical
              </th>
              <th scope="col">New</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((table) => (
              <TableRows key={displayName(table)} backup={backup} table={table} fresh={freshOf(table, diff)} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** Bytes of parts that the previous backup did not have. */
function freshOf(table: Table, diff: Diff | undefined): number | undefined {
  if (diff?.before === 'nothing') return table.bytes
  const changed = diff?.tables.find(({ database, name }) => database === table.database && name === table.name)
  const added = changed?.partitions.flatMap((partition) => partition.added) ?? []
  return diff && added.reduce((sum, { bytes }) => sum + bytes, 0)
}

function TableRows({
  backup,
  table,
  fresh,
}: {
  readonly backup: string
  readonly table: Table
  readonly fresh: number | undefined
}) {
  const open = useSignal(false)
  const name = displayName(table)
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" class="disclose" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
            {name}
          </button>
        </th>
        <td>{table.engine}</td>
        <td class="number">{formatCount(table.rows)}</td>
        <td class="number">{formatCount(table.parts)}</td>
        <td class="number">{formatBytes(table.bytes)}</td>
        <td>{fresh !== undefined && <ShareBar fresh={fresh} total={table.bytes} />}</td>
      </tr>
      {open.value && (
        <tr class="opened">
          <td colSpan={6}>
            <Opened backup={backup} name={name} />
          </td>
        </tr>
      )}
    </>
  )
}

function Opened({ backup, name }: { readonly backup: string; readonly name: string }) {
  const shown = useResource(`table ${backup} ${name}`, (signal) =>
    get('/backups/:backup', {
      params: { backup },
      query: { detail: 'parts', schema: 'true', table: name },
      signal,
    }),
  )
  return (
    <Loaded resource={shown}>
      {({ tables: [table] }) =>
        table && (
          <>
            <p class="actions">
              <a href={`${href('backups', backup, 'restore')}?table=${encodeURIComponent(name)}`}>Restore {name} …</a>
              <a href={`${href('backups', backup, 'query')}?table=${encodeURIComponent(name)}`}>Query {name}</a>
            </p>
            <table aria-label={`Partitions of ${name}`}>
              <thead>
                <tr>
                  <th scope="col">Partition</th>
                  <th scope="col" class="number">
                    Rows
                  </th>
                  <th scope="col" class="number">
                    Parts
                  </th>
                  <th scope="col" class="number">
                    Logical
                  </th>
                </tr>
              </thead>
              <tbody>
                {table.partitions?.map((partition) => (
                  <PartitionRows key={partition.id} partition={partition} />
                ))}
              </tbody>
            </table>
            {table.schema && (
              <details>
                <summary>Definition</summary>
                <pre aria-label={`Definition of ${name}`}>{table.schema.create}</pre>
              </details>
            )}
          </>
        )
      }
    </Loaded>
  )
}

/** Parts that are shown at once. */
const MOST_PARTS = 500

function PartitionRows({ partition }: { readonly partition: Partition }) {
  const open = useSignal(false)
  const { id, rows, bytes, parts, suspect, partitionParts = [] } = partition
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" class="disclose" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
            {id}
          </button>{' '}
          {suspect > 0 && <Mark tone="bad">{`${suspect} damaged at the source`}</Mark>}
        </th>
        <td class="number">{formatCount(rows)}</td>
        <td class="number">{formatCount(parts)}</td>
        <td class="number">{formatBytes(bytes)}</td>
      </tr>
      {open.value && (
        <tr class="opened">
          <td colSpan={4}>
            <ul class="parts" aria-label={`Parts of ${id}`}>
              {partitionParts.slice(0, MOST_PARTS).map((part) => (
                <li key={part.name}>
                  <code>{part.name}</code> {plural(part.rows, 'row')}, {formatBytes(part.bytes)}, {part.files} files on{' '}
                  {part.disk}
                  {part.suspect && <Mark tone="bad">{part.suspect.join(', ')}</Mark>}
                </li>
              ))}
            </ul>
            {partitionParts.length > MOST_PARTS && (
              <p class="dim">The first {MOST_PARTS}. All of them: permafrost show --parts</p>
            )}
          </td>
        </tr>
      )}
    </>
  )
}
