import { useSignal } from '@preact/signals'
import { displayName } from '../../src/core/sql.ts'
import { formatBytes, plural } from '../../src/core/units.ts'
import { partitionOf } from '../restore-request.ts'
import type { RestoreForm } from '../restore-request.ts'
import type { Table } from '../types.ts'

/** Which tables, or which partitions of them. */
export function RestoreChoice({
  tables,
  form,
  onChange,
}: {
  readonly tables: readonly Table[]
  readonly form: RestoreForm
  readonly onChange: (changes: Partial<RestoreForm>) => void
}) {
  const all = form.tables.length === tables.length
  return (
    <>
      <div class="tools">
        <button type="button" onClick={() => onChange({ tables: all ? [] : tables.map(displayName), partitions: [] })}>
          {all ? 'Choose none' : 'Choose all'}
        </button>
        <span class="dim" role="status">
          {form.partitions.length > 0
            ? `${plural(form.partitions.length, 'partition')} chosen, and no whole table`
            : `${plural(form.tables.length, 'table')} chosen`}
        </span>
      </div>
      <ul class="choice" aria-label="Tables">
        {tables.map((table) => (
          <TableChoice key={displayName(table)} table={table} form={form} onChange={onChange} />
        ))}
      </ul>
    </>
  )
}

function TableChoice({
  table,
  form: { tables, partitions },
  onChange,
}: {
  readonly table: Table
  readonly form: RestoreForm
  readonly onChange: (changes: Partial<RestoreForm>) => void
}) {
  const open = useSignal(false)
  const name = displayName(table)
  const isChosen = tables.includes(name)
  // A restore of partitions leaves out what it does not name, so whole tables need one of their own.
  const choose = (wanted: boolean): void =>
    onChange({ tables: wanted ? [...tables, name] : tables.filter((one) => one !== name), partitions: [] })
  const choosePartition = (id: string, wanted: boolean): void =>
    onChange({ tables: [], partitions: wanted ? [...partitions, id] : partitions.filter((one) => one !== id) })
  return (
    <li>
      <label>
        <input type="checkbox" checked={isChosen} onChange={(event) => choose(event.currentTarget.checked)} />
        <strong>{name}</strong>
        <span class="dim">
          {table.engine}, {plural(table.rows, 'row')}, {formatBytes(table.bytes)}
        </span>
      </label>
      {table.partitions && table.partitions.length > 0 && (
        <button type="button" class="disclose" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
          {plural(table.partitions.length, 'partition')}
        </button>
      )}
      {open.value && (
        <ul aria-label={`Partitions of ${name}`}>
          {table.partitions?.map(({ id, rows, bytes }) => (
            <li key={id}>
              <label>
                <input
                  type="checkbox"
                  checked={partitions.includes(partitionOf(table, id))}
                  onChange={(event) => choosePartition(partitionOf(table, id), event.currentTarget.checked)}
                />
                only {id}
                <span class="dim">
                  {plural(rows, 'row')}, {formatBytes(bytes)}
                </span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </li>
  )
}
