import { Command, CommanderError, Option } from 'commander'
import { PermafrostError, toPermafrostError } from '../core/errors.ts'
import type { AddCommand, Run } from './command.ts'
import { addAgent } from './commands/agent.ts'
import { addBackup } from './commands/backup.ts'
import { addConfig } from './commands/config.ts'
import { addCopy } from './commands/copy.ts'
import { addDemo } from './commands/demo.ts'
import { addDiff } from './commands/diff.ts'
import { addDoctor } from './commands/doctor.ts'
import { addDrill } from './commands/drill.ts'
import { addExport } from './commands/export.ts'
import { addForget } from './commands/forget.ts'
import { addList } from './commands/list.ts'
import { addOperations } from './commands/operations.ts'
import { addPrune } from './commands/prune.ts'
import { addQuery } from './commands/query.ts'
import { addRepo } from './commands/repo.ts'
import { addRestore } from './commands/restore.ts'
import { addShow } from './commands/show.ts'
import { addStatus } from './commands/status.ts'
import { addVerify } from './commands/verify.ts'
import { VERSION } from './compose.ts'
import { helpTopic, TOPICS } from './help.ts'

const GROUPS: readonly (readonly [heading: string, commands: readonly AddCommand[]])[] = [
  ['EVERY DAY', [addBackup, addStatus, addList, addShow, addDiff, addRestore, addQuery]],
  ['TRUST', [addVerify, addDrill, addDoctor]],
  ['SPACE', [addForget, addPrune]],
  ['MOVE', [addCopy, addExport]],
  ['RUN', [addAgent, addOperations]],
  ['SET UP', [addRepo, addConfig, addDemo]],
]

const EXAMPLES = `
Examples:
  permafrost backup                                     back up what select.tables says
  permafrost restore latest -t posthog.person --as was  put one table back, beside
  permafrost verify --all --level inventory             is everything there

More:  permafrost help ${TOPICS.join(' | ')}`

/** The whole command line. Nothing is run before it is parsed, and nothing is imported before it is run. */
export function makeProgram(run: Run): Command {
  const program = new Command('permafrost')
    .description('Backups of ClickHouse that you can prove.')
    .version(VERSION, '--version', 'print the version')
    .option('-c, --config <file>', 'the configuration (or PERMAFROST_CONFIG; else /etc/permafrost/config.yaml)')
    .option('-r, --repo <url>', 'the repository, instead of repository.url')
    .option('--json', 'print one JSON document to stdout')
    .addOption(
      new Option('--progress <mode>', 'how to show progress')
        .choices(['auto', 'tty', 'plain', 'json', 'none'])
        .default('auto'),
    )
    .option('-q, --quiet', 'print errors only')
    .option('--debug', 'print more on the way, and stack traces')
    .option('--no-color', 'print without colours')
    .option('--no-input', 'never ask')
    .option('-y, --yes', 'go on where it would ask')
    .option('--timeout <duration>', 'stop after this long: 90s, 15m, 2h')
    .helpOption('-h, --help', 'print help')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError()
    .helpCommand(false)
  for (const [heading, commands] of GROUPS) {
    program.commandsGroup(heading)
    for (const add of commands) add(program, run)
  }
  program
    .command('version')
    .summary('print the version')
    .action((_options, command: Command) =>
      run(command, async (c) => {
        c.output.answer({ permafrost: VERSION, node: process.version }, () => [
          `permafrost ${VERSION}, Node.js ${process.version}`,
        ])
      }),
    )
  program
    .command('help [topic]')
    .summary('help for a command or a topic')
    .action((topic: string | undefined, _options, command: Command) =>
      run(command, async (c) => {
        c.process.stdout.write(`${helpTopic(program, topic).trimEnd()}\n`)
      }),
    )
  quiet(program)
  return program
}

/** Commander prints and exits by itself; here it throws, and main says it in our own way. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined })
  for (const child of command.commands) quiet(child)
}

/** Commander's errors as ours; help and version that were asked for are no errors. */
export function parseError(error: unknown): PermafrostError | undefined {
  if (!(error instanceof CommanderError)) return toPermafrostError(error)
  if (error.exitCode === 0) return undefined
  const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ')
  return new PermafrostError('USAGE', message === '(outputHelp)' ? 'which command?' : message, {
    hint: 'permafrost --help',
  })
}
