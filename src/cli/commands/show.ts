import { parseSelector } from '../../core/selector.ts'
import { displayName } from '../../core/sql.ts'
import { formatBytes, formatCount, formatSeconds, plural } from '../../core/units.ts'
import { drillProblems } from '../../operations/drill-problems.ts'
import { show } from '../../operations/show.ts'
import { readProofs } from '../../repository/attestations.ts'
import type { Attestation, Proof } from '../../repository/attestations.ts'
import type { ShownBackup, ShownTable } from '../../operations/show.ts'
import { collect } from '../command.ts'
import type { AddCommand } from '../command.ts'
import { findBackup } from '../../operations/find-backup.ts'
import { isLocal } from '../find-local.ts'
import { LEVEL_NAMES } from '../level-names.ts'
import { showLocal } from '../local-answers.ts'
import { table } from '../output.ts'
import type { Output, TableColumn } from '../output.ts'

interface Options {
  readonly table: readonly string[]
  readonly partitions?: boolean
  readonly parts?: boolean
  readonly schema?: boolean
}

/** `permafrost show <backup>` */
export const addShow: AddCommand = (program, run) => {
  program
    .command('show <backup>')
    .summary('what a backup holds')
    .description('Show what a backup holds: tables, and on request their partitions, parts and definitions.')
    .option('-t, --table <pattern>', 'only these tables (repeatable)', collect, [])
    .option('--partitions', 'with the partitions of each table')
    .option('--parts', 'with the parts of each partition')
    .option('--schema', 'with the CREATE statements')
    .action((name: string, options: Options, command) =>
      run(command, async (c) => {
        if (isLocal(name)) return showLocal(c, name)
        const repository = await c.repository('read')
        const backup = await findBackup(repository, name)
        const detail = options.parts ? 'parts' : options.partitions ? 'partitions' : 'tables'
        const shown = await show(repository, {
          backup,
          selector: parseSelector(options.table),
          detail,
          schema: options.schema ?? false,
        })
        const proof = (await readProofs(repository)).get(backup.id) ?? {}
        c.output.answer({ ...shown, ...proof }, () => [
          ...head(shown),
          `  proven   ${proofLine(proof)}`,
          ...drillLines(proof),
          '',
          ...tables(shown, c.output),
          ...definitions(shown, c.output),
          ...details(shown, c.output),
          ...findings(shown, c.output),
        ])
      }),
    )
}

function proofLine({ proven, damaged }: Proof): string {
  const said = ({ level, at, by, seconds }: Attestation) =>
    `${LEVEL_NAMES[level]}, ${at}, by ${by}, in ${formatSeconds(seconds)}`
  if (damaged) return `DAMAGED: ${plural(damaged.problems, 'problem')}, ${said(damaged)}`
  return proven ? said(proven) : 'not yet:  permafrost verify'
}

/** The newest drill: how long it took, and what speaks against the backup. */
function drillLines({ drill }: Proof): readonly string[] {
  if (!drill?.drill) return []
  const { tables: drilled, restoreSeconds, estimate } = drill.drill
  const passed = drill.result === 'ok' ? 'passed' : 'FAILED'
  const time = `restored ${plural(drilled.length, 'table')}, ${formatBytes(drill.bytes)} in ${formatSeconds(restoreSeconds)}`
  const all = !drill.whole && estimate !== undefined ? `; all of it would take ${formatSeconds(estimate)}` : ''
  return [
    `  drill    ${passed}, ${drill.at}, by ${drill.by}: ${time}${all}`,
    ...drillProblems(drill.drill)
      .slice(0, MOST_PROBLEMS)
      .map((problem) => `    ✗ ${problem}`),
  ]
}

const MOST_PROBLEMS = 10

function head({ summary }: ShownBackup): readonly string[] {
  const seconds = (Date.parse(summary.finished) - Date.parse(summary.started)) / 1000
  return [
    `Backup ${summary.id} of ${summary.host}: ${summary.status}`,
    `  made     ${summary.started}, in ${formatSeconds(seconds)}, ClickHouse ${summary.clickhouse}, Permafrost ${summary.permafrost}`,
    `  holds    ${plural(summary.tables, 'table')}, ${plural(summary.parts, 'part')}, ${plural(summary.rows, 'row')}, ${formatBytes(summary.logical)}`,
    `  stored   ${formatBytes(summary.stored)}; ${formatBytes(summary.reused)} were in the repository before`,
    ...(summary.parent
      ? [`  parent   ${summary.parent} (for comparison only: this backup is complete by itself)`]
      : []),
    ...(summary.tags.length > 0 ? [`  tags     ${summary.tags.join(' ')}`] : []),
  ]
}

const TABLE_COLUMNS: readonly TableColumn[] = [
  { title: 'TABLE' },
  { title: 'ENGINE' },
  { title: 'PARTS', right: true },
  { title: 'ROWS', right: true },
  { title: 'LOGICAL', right: true },
  { title: 'FROZEN' },
]

function tables({ tables: shown }: ShownBackup, output: Output): readonly string[] {
  const rows = shown.map((entry) => [
    displayName(entry),
    entry.engine,
    String(entry.parts),
    formatCount(entry.rows),
    formatBytes(entry.bytes),
    entry.frozenAt,
  ])
  return table(output, TABLE_COLUMNS, rows)
}

/** Their statements, or a table of them. */
function definitions({ definitions: list }: ShownBackup, output: Output): readonly string[] {
  if (list.length === 0) return []
  const statements = list.flatMap((entry) => (entry.statements ?? []).flatMap((statement) => ['', statement]))
  if (statements.length > 0) return statements
  const rows = list.map(({ name, kind }) => [name, kind])
  return ['', ...table(output, [{ title: 'DEFINITION' }, { title: 'KIND' }], rows)]
}

function details({ tables: shown }: ShownBackup, output: Output): readonly string[] {
  return shown.flatMap((entry) => [
    ...(entry.partitions ? ['', output.style('bold', displayName(entry)), ...partitions(entry, output)] : []),
    ...(entry.schema ? ['', entry.schema.create] : []),
  ])
}

const PARTITION_COLUMNS: readonly TableColumn[] = [
  { title: 'PARTITION' },
  { title: 'PART' },
  { title: 'PARTS', right: true },
  { title: 'ROWS', right: true },
  { title: 'LOGICAL', right: true },
  { title: 'DISK' },
]

function partitions({ partitions: list = [] }: ShownTable, output: Output): readonly string[] {
  const rows = list.flatMap((partition) => [
    [partition.id, '', String(partition.parts), formatCount(partition.rows), formatBytes(partition.bytes), ''],
    ...(partition.partitionParts ?? []).map((part) => [
      '',
      part.name,
      '',
      formatCount(part.rows),
      formatBytes(part.bytes),
      part.disk,
    ]),
  ])
  return table(output, PARTITION_COLUMNS, rows)
}

function findings({ findings: found }: ShownBackup, output: Output): readonly string[] {
  if (found.length === 0) return []
  return [
    '',
    output.style('bold', 'Findings when it was made'),
    ...found.map((finding) => `  ${finding.severity}: ${finding.object}: ${finding.message}`),
  ]
}
