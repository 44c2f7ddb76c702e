import { ERRORS } from '../../core/errors.ts'
import { parseSelector } from '../../core/selector.ts'
import { formatBytes, formatCount, formatSeconds, plural } from '../../core/units.ts'
import type { DrillPlan, DrillResult } from '../../operations/drill.ts'
import { drillProblems } from '../../operations/drill-problems.ts'
import type { DrilledTable } from '../../repository/attestations.ts'
import { collect } from '../command.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { runByAgent } from '../run-by-agent.ts'
import { findBackup } from '../../operations/find-backup.ts'
import { table } from '../output.ts'
import type { Cell, Output, TableColumn } from '../output.ts'
import { scratchDirectory } from '../scratch-directory.ts'
import { sizeOption } from '../size-option.ts'

interface Options {
  readonly table: readonly string[]
  readonly maxBytes?: string
  readonly scratch?: string
  readonly check: readonly string[]
  readonly dryRun?: boolean
  readonly record: boolean
  readonly agent?: string | true
}

/** `permafrost drill [<backup>]` */
export const addDrill: AddCommand = (program, run) => {
  program
    .command('drill [backup]')
    .summary('restore a backup to prove it')
    .description(
      'Restore a backup (latest when none is named) into a ClickHouse that is made for it and thrown away, let it read and check every part, and ask it your own questions. The production server is not touched. What came of it is written down, and shown by list, show and status.',
    )
    .option('-t, --table <pattern>', 'only these tables (repeatable)', collect, [])
    .option('--max-bytes <size>', 'restore a sample of so much, another one each time (or drill.max-bytes)')
    .option(
      '--check <sql>',
      'one more question; a row of true values passes (repeatable; and drill.checks)',
      collect,
      [],
    )
    .option('--scratch <directory>', 'where the disposable ClickHouse is made (or drill.scratch)')
    .option('--agent [url]', 'let a running agent do it, and follow it')
    .option('--dry-run', 'say what would be restored')
    .option('--no-record', 'do not write the result into the repository')
    .action((name: string | undefined, options: Options, command) =>
      run(command, async (c) => {
        if (options.agent !== undefined) return byAgent(c, options.agent, { name, options })
        const { drill } = c.config().config
        const repository = await c.repository('check')
        const backup = await findBackup(repository, name ?? 'latest')
        const { prepareDrill } = await import('../../operations/drill.ts')
        const prepared = await prepareDrill(
          { ...c.base(), repository },
          {
            backup,
            selector: parseSelector(options.table),
            checks: [...drill.checks, ...options.check],
            mostBytes: sizeOption('--max-bytes', options.maxBytes) ?? drill['max-bytes'],
            scratch: scratchDirectory(c, options.scratch),
            record: options.record,
          },
        )
        if (options.dryRun) return c.output.answer(prepared.plan, () => describePlan(prepared.plan, c.output))
        const result = await prepared.run()
        c.output.answer(result, () => describe(result, c.output))
        return result.passed ? 0 : ERRORS.DRILL_FAILED.exit
      }),
    )
}

async function byAgent(
  c: Composition,
  url: string | true,
  { name, options }: { readonly name: string | undefined; readonly options: Options },
): Promise<number> {
  const { table: tables, check, scratch, maxBytes, dryRun, record } = options
  const { result, exit } = await runByAgent<DrillResult>(c, {
    url,
    request: { kind: 'drill', backup: name ?? 'latest', ...(tables.length > 0 && { tables }) },
    untold: {
      '--check': check,
      '--scratch': scratch,
      '--max-bytes': maxBytes,
      '--dry-run': dryRun,
      '--no-record': !record,
    },
  })
  c.output.answer(result, () => describe(result, c.output))
  return exit
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'TABLE' },
  { title: 'PARTS', right: true },
  { title: 'ROWS', right: true },
  { title: 'BYTES', right: true },
]

function describePlan({ backup, tables, bytes, whole }: DrillPlan, output: Output): readonly string[] {
  const rows = tables.map((one) => cells(one))
  return [
    `Would restore ${whole ? 'all' : 'a part'} of ${backup}: ${plural(tables.length, 'table')}, ${formatBytes(bytes)}`,
    '',
    ...table(output, COLUMNS, rows),
  ]
}

function describe(result: DrillResult, output: Output): readonly string[] {
  const { backup, tables, checks, whole, passed, restoreSeconds, estimate } = result
  const rows = tables.map((one) => [...cells(one), formatSeconds(one.restoreSeconds), verdict(one)])
  const columns = [...COLUMNS, { title: 'RESTORED IN', right: true }, { title: 'RESULT' }]
  const asked = checks.filter((check) => check.result !== 'skipped').length
  const skipped = checks.length - asked
  return [
    ...table(output, columns, rows),
    '',
    ...problemLines(drillProblems(result)),
    passed
      ? `Drill passed: ${whole ? 'all' : 'a part'} of ${backup} was restored, read and checked by ClickHouse; ${plural(asked, 'question')} of yours answered true`
      : `DRILL FAILED: ${backup} was not restored as it should be`,
    ...(skipped > 0 ? [`  not asked   ${plural(skipped, 'question')}: not everything was restored`] : []),
    `  restored    in ${formatSeconds(restoreSeconds)}${!whole && estimate !== undefined ? `; all of it would take ${formatSeconds(estimate)}` : ''}`,
  ]
}

const MOST_LINES = 20

function problemLines(problems: readonly string[]): readonly string[] {
  const left = problems.length - MOST_LINES
  const lines = problems.slice(0, MOST_LINES).map((problem) => `  ✗ ${problem}`)
  return left > 0 ? [...lines, `  … and ${plural(left, 'more problem')}: --json has them all`] : lines
}

function cells({ table: name, parts, rows, bytes }: Pick<DrilledTable, 'table' | 'parts' | 'rows' | 'bytes'>) {
  return [name, String(parts), formatCount(rows), formatBytes(bytes)]
}

function verdict({ problems, whole }: DrilledTable): Cell {
  if (problems.length > 0) return { text: `✗ ${plural(problems.length, 'problem')}`, style: 'red' }
  return { text: whole ? '✓ all' : '✓ a part', style: 'green' }
}
