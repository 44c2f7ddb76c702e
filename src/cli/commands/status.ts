import { ERRORS } from '../../core/errors.ts'
import { ageOf, formatSeconds, plural } from '../../core/units.ts'
import { status } from '../../operations/status.ts'
import type { CopyStatus, Status, StatusBackup, TableStatus } from '../../operations/status.ts'
import type { AddCommand } from '../command.ts'
import { table } from '../output.ts'
import type { Cell, Output, TableColumn } from '../output.ts'

/** `permafrost status` */
export const addStatus: AddCommand = (program, run) => {
  program
    .command('status')
    .summary('could I restore right now')
    .description(
      'Could I restore right now, how much would I lose, and how long would it take: out of what the repository knows, without the server.',
    )
    .option('--check', 'exit with 3 when something is overdue, missing or wrong: for monitoring')
    .action((options: { readonly check?: boolean }, command) =>
      run(command, async (c) => {
        const { config } = c.config()
        const copies = config.copy.to.map((location) => ({
          location,
          open: () => c.repositoryAt(location, 'read', { as: 'copy' }),
        }))
        const stands = await status(
          { ...c.base(), repository: await c.repository('read') },
          { maxAge: config.status['max-age'], maxDrillAge: config.status['max-drill-age'], copies },
        )
        c.output.answer(stands, () => describe(stands, c.output))
        return options.check && stands.problems.length > 0 ? ERRORS.INCOMPLETE.exit : 0
      }),
    )
}

function describe(stands: Status, output: Output): readonly string[] {
  const { lastGood, lastProven, lastDrill, oldestUnproven, restoreSeconds, backups, proven, copies, problems } = stands
  const now = new Date(stands.at)
  const named = (one: StatusBackup) => `${one.id}, ${ageOf(one.started, now)}`
  const held = lastProven?.heldUntil === undefined ? '' : `, and it is held until ${lastProven.heldUntil.slice(0, 10)}`
  const drill = lastDrill
    ? `${lastDrill.result === 'ok' ? 'passed' : 'FAILED'}, ${ageOf(lastDrill.at, now)}, ${lastDrill.whole ? 'all' : 'a part'} of ${lastDrill.backup}`
    : 'never:  permafrost drill'
  const takes =
    restoreSeconds === undefined
      ? 'nobody knows:  permafrost drill'
      : `about ${formatSeconds(restoreSeconds)}, by the last drill`
  return [
    output.style('bold', lastGood ? `I could restore: ${named(lastGood)}` : 'Nothing could be restored'),
    `  loses       ${lastGood ? `what was written in the last ${formatSeconds(lastGood.seconds)}` : 'everything'}`,
    `  takes       ${takes}`,
    `  last drill  ${drill}`,
    `  proven      ${proven} of ${plural(backups, 'backup')}${oldestUnproven ? `; the oldest that is not: ${named(oldestUnproven)}` : ''}`,
    `  kept        ${lastProven ? `retention never takes ${lastProven.id}, the newest that is proven${held}` : 'nothing is proven, so nothing is spared'}`,
    ...copies.map((copy) => `  copy        ${copyLine(copy)}`),
    '',
    ...tables(stands, output),
    ...(problems.length > 0 ? ['', ...problems.map((problem) => output.style('red', `✗ ${problem}`))] : []),
  ]
}

function copyLine({ location, backups = 0, upToDate, problem }: CopyStatus): string {
  if (problem !== undefined) return `${location}: ${problem}`
  return `${location}: ${plural(backups, 'backup')}, ${upToDate ? 'the last good one among them' : 'not the last good one'}`
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'TABLE' },
  { title: 'HOST' },
  { title: 'LAST GOOD' },
  { title: 'AGE', right: true },
  { title: 'LAST DRILL' },
]

/** One screen: the tables that would lose most come first. */
const MOST_TABLES = 12

function tables({ tables: all, at }: Status, output: Output): readonly string[] {
  const rows = all
    .slice(0, MOST_TABLES)
    .map((one) => [one.table, one.host, one.backup, ageCell(one), drillCell(one, new Date(at))])
  const left = all.length - rows.length
  return [
    ...table(output, COLUMNS, rows),
    ...(left > 0 ? [`… and ${plural(left, 'younger table')}: --json has all`] : []),
  ]
}

function ageCell({ seconds, overdue }: TableStatus): Cell {
  return { text: formatSeconds(seconds), style: overdue ? 'red' : 'green' }
}

function drillCell({ drilledAt, drillPassed }: TableStatus, now: Date): Cell {
  if (drilledAt === undefined) return { text: 'never', style: 'dim' }
  const age = ageOf(drilledAt, now)
  return drillPassed ? { text: `✓ ${age}`, style: 'green' } : { text: `✗ ${age}`, style: 'red' }
}
