import { PermafrostError } from '../../core/errors.ts'
import { parseSelector } from '../../core/selector.ts'
import { formatBytes, plural } from '../../core/units.ts'
import { verify, VERIFY_LEVELS } from '../../operations/verify.ts'
import type { VerifyLevel, VerifyResult } from '../../operations/verify.ts'
import { answerWithRequests } from '../answer-with-requests.ts'
import { chosenBackups } from '../chosen-backups.ts'
import { collect, exitCodeOf } from '../command.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { runByAgent } from '../run-by-agent.ts'

interface Options {
  readonly all?: boolean
  readonly level: string
  readonly table: readonly string[]
  readonly sample?: string
  readonly record: boolean
  readonly agent?: string | true
}

/** `permafrost verify [<backup>…]` */
export const addVerify: AddCommand = (program, run) => {
  program
    .command('verify [backup...]')
    .summary('check that backups can be restored')
    .description(
      'Check backups against what is stored; latest when none is named. The result is written down, and shown by list.',
    )
    .option('--all', 'every backup in the repository')
    .option(
      '--level <level>',
      'inventory: everything is there · scrub: its bytes are right · content: the files are what ClickHouse wrote',
      'content',
    )
    .option('-t, --table <pattern>', 'only these tables (repeatable)', collect, [])
    .option('--sample <percent>', 'only so many of the partitions, at random: 10%')
    .option('--agent [url]', 'let a running agent do it, and follow it')
    .option('--no-record', 'do not write the result into the repository')
    .action((names: readonly string[], options: Options, command) =>
      run(command, async (c) => {
        const level = levelOf(options.level)
        if (options.agent !== undefined) return byAgent(c, options.agent, { names, level, options })
        const repository = await c.repository('check')
        const backups = await chosenBackups(repository, names, options.all ?? false)
        const result = await verify(
          { ...c.base(), repository },
          {
            backups,
            level,
            selector: parseSelector(options.table),
            sample: shareOf(options.sample),
            record: options.record,
          },
        )
        answerWithRequests(c, result, () => describe(result))
        return exitCodeOf(result.findings)
      }),
    )
}

async function byAgent(
  c: Composition,
  url: string | true,
  {
    names,
    level,
    options,
  }: { readonly names: readonly string[]; readonly level: VerifyLevel; readonly options: Options },
): Promise<number> {
  const sample = shareOf(options.sample)
  const { result, exit } = await runByAgent<VerifyResult>(c, {
    url,
    request: {
      kind: 'verify',
      level,
      ...(names.length > 0 && { backups: names }),
      ...(options.all && { all: true }),
      ...(options.table.length > 0 && { tables: options.table }),
      ...(sample !== undefined && { sample }),
    },
    untold: { '--no-record': !options.record },
  })
  c.output.answer(result, () => describe(result))
  return exit
}

function shareOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const percent = Number(/^(\d+(?:\.\d+)?)%$/.exec(text)?.[1])
  if (percent > 0 && percent <= 100) return percent / 100
  throw new PermafrostError('USAGE', `--sample ${text} is not a share`, { hint: 'write 10%' })
}

function levelOf(text: string): VerifyLevel {
  const level = VERIFY_LEVELS.find((known) => known === text)
  if (level) return level
  throw new PermafrostError('USAGE', `--level ${text} is none of ${VERIFY_LEVELS.join(', ')}`)
}

const PROVES: Readonly<Record<VerifyLevel, string>> = {
  inventory: 'every pack is there, with its size',
  scrub: 'every pack is there, and its bytes are what was stored',
  content: 'every file was rebuilt and is what ClickHouse wrote',
}

function describe(result: VerifyResult): readonly string[] {
  const what = `${plural(result.backups.length, 'backup')}, ${plural(result.parts, 'part')}, ${plural(result.packs, 'pack')}, ${formatBytes(result.bytes)}`
  const damage = result.findings.filter((finding) => finding.severity === 'damage')
  if (damage.length === 0) return [`Verified ${what}: ${PROVES[result.level]}`]
  const parts = new Set(damage.map((finding) => finding.object))
  return [
    `DAMAGED: ${plural(damage.length, 'problem')} in ${plural(parts.size, 'part')}, of ${what}`,
    '  Everything else can be restored.',
  ]
}
