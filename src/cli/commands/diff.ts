import type { TableDiff } from '../../core/diff.ts'
import { parseSelector } from '../../core/selector.ts'
import { displayName } from '../../core/sql.ts'
import { formatBytes, formatCount, plural } from '../../core/units.ts'
import { collect } from '../command.ts'
import type { AddCommand } from '../command.ts'
import { findBackup } from '../../operations/find-backup.ts'
import type { Output } from '../output.ts'

interface Options {
  readonly table: readonly string[]
  readonly partitions?: boolean
  readonly parts?: boolean
}

/** `permafrost diff <a> [<b>|live]` */
export const addDiff: AddCommand = (program, run) => {
  const self = program
    .command('diff <before> [after]')
    .summary('what changed between two backups, or since one')
    .description('Compare two backups, or a backup with the server as it is now (live, which is the default).')
    .option('-t, --table <pattern>', 'only these tables (repeatable)', collect, [])
    .option('--partitions', 'with the partitions that differ')
    .option('--parts', 'with the parts that differ')
    .action((before: string, after: string | undefined, options: Options) =>
      run(self, async (c) => {
        const selector = parseSelector(options.table)
        const { diffBackups, diffLive } = await import('../../operations/diff.ts')
        const repository = await c.repository('read')
        const old = (await findBackup(repository, before)).id
        const diffs =
          after === undefined || after === 'live'
            ? await diffLive({ repository, engine: await c.engine() }, { before: old, selector })
            : await diffBackups(repository, { before: old, after: (await findBackup(repository, after)).id, selector })
        c.output.answer(diffs, () => describe(diffs, options, c.output))
      }),
    )
}

const MARKS = { added: '+', dropped: '-', changed: '~', same: ' ' } as const
const STYLES = { added: 'green', dropped: 'red', changed: 'yellow', same: 'dim' } as const

function describe(diffs: readonly TableDiff[], options: Options, output: Output): readonly string[] {
  const different = diffs.filter(({ change }) => change !== 'same')
  const lines = different.flatMap((diff) => [
    output.style(STYLES[diff.change], `${MARKS[diff.change]} ${displayName(diff)}`) + summary(diff),
    ...(diff.definition?.removed ?? []).map((line) => `    - ${line}`),
    ...(diff.definition?.added ?? []).map((line) => `    + ${line}`),
    ...(options.partitions || options.parts ? partitions(diff, options.parts ?? false) : []),
  ])
  const same = diffs.length - different.length
  return [...lines, `${plural(different.length, 'table')} changed, ${same} the same`]
}

function summary({ renamedFrom, partitions: list, rows, bytes }: TableDiff): string {
  const added = list.reduce((sum, one) => sum + one.added.length, 0)
  const removed = list.reduce((sum, one) => sum + one.removed.length, 0)
  return [
    ...(renamedFrom ? [`was ${displayName(renamedFrom)}`] : []),
    `parts +${added} -${removed}`,
    `rows ${signed(rows, formatCount)}`,
    signed(bytes, formatBytes),
  ].reduce((line, text) => `${line}  ${text}`, '')
}

function partitions({ partitions: list }: TableDiff, parts: boolean): readonly string[] {
  return list.flatMap(({ id, change, added, removed, same }) => [
    `    ${MARKS[change]} partition ${id}: parts +${added.length} -${removed.length}, ${same} the same`,
    ...(parts
      ? [...removed.map((part) => `        - ${part.name}`), ...added.map((part) => `        + ${part.name}`)]
      : []),
  ])
}

function signed(value: number, format: (value: number) => string): string {
  return `${value < 0 ? '-' : '+'}${format(Math.abs(value))}`
}
