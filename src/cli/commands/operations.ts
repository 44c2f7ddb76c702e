import { PermafrostError } from '../../core/errors.ts'
import { ageOf, formatSeconds } from '../../core/units.ts'
import type { Operation, OperationState } from '../../server/contract/operations.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { table } from '../output.ts'
import type { Cell, Output } from '../output.ts'

interface Options {
  readonly agent?: string
  readonly follow?: boolean
  readonly cancel?: boolean
}

/** `permafrost operations [<id>]` */
export const addOperations: AddCommand = (program, run) => {
  program
    .command('operations [id]')
    .summary('what a running agent does, did and does next')
    .description('List the operations of a running agent, or show, follow or cancel one.')
    .option('--agent <url>', 'where it listens, instead of agent.listen')
    .option('--follow', 'show its progress until it has ended')
    .option('--cancel', 'stop it in good order')
    .action((id: string | undefined, options: Options, command) =>
      run(command, async (c) => {
        const { agentClient } = await import('../agent-client.ts')
        const agent = agentClient(c, options.agent)
        if (id === undefined) return listAll(c, options)
        if (options.cancel) {
          const { operation } = await agent.ask('cancel', { params: { operation: id } })
          c.output.answer(operation, () => [`Operation ${operation.id} is being cancelled`])
          return 0
        }
        if (!options.follow) {
          const { operation } = await agent.ask('operation', { params: { operation: id } })
          c.output.answer(operation, () => describe(operation, c.output))
          return 0
        }
        const { exitCodeOfOperation } = await import('../agent-outcome.ts')
        const operation = await agent.follow(id, c.base().emit)
        const exit = exitCodeOfOperation(operation)
        c.output.answer(operation, () => describe(operation, c.output))
        return exit
      }),
    )
}

async function listAll(c: Composition, { agent: url, follow, cancel }: Options): Promise<number> {
  if (follow || cancel)
    throw new PermafrostError('USAGE', 'which operation?', { hint: 'permafrost operations <id> --follow' })
  const { agentClient } = await import('../agent-client.ts')
  const agent = agentClient(c, url)
  const [{ operations }, schedule] = [await agent.ask('operations'), await agent.ask('schedule')]
  const now = c.base().clock()
  c.output.answer({ operations, schedule }, () => [
    ...table(
      c.output,
      [
        { title: 'ID' },
        { title: 'KIND' },
        { title: 'STATE' },
        { title: 'BY' },
        { title: 'STARTED' },
        { title: 'TOOK' },
      ],
      operations.map((one): readonly Cell[] => [
        one.id,
        one.kind,
        stateCell(one.state),
        one.by,
        ageOf(one.started ?? one.queued, now),
        took(one),
      ]),
    ),
    ...schedule.entries.map(({ kind, next, overdue }) => {
      const when = schedule.paused ? 'paused' : (next ?? 'never')
      return `Next ${kind}: ${when}${overdue ? c.output.style('red', '  overdue') : ''}`
    }),
  ])
  return 0
}

function describe(operation: Operation, output: Output): readonly string[] {
  const { id, kind, state, by, error, findings } = operation
  const cell = stateCell(state)
  const shown = typeof cell === 'string' ? cell : output.style(cell.style, cell.text)
  return [
    `${kind} ${id}: ${shown}, by ${by}, ${took(operation)}`,
    ...(findings > 0 ? [`  ${findings} findings`] : []),
    ...(error ? [`  ${error.detail}`, ...(error.hint ?? []).map((hint) => `  ${hint}`)] : []),
  ]
}

function stateCell(state: OperationState): Cell {
  switch (state) {
    case 'ok':
      return { text: '✓ ok', style: 'green' }
    case 'incomplete':
    case 'cancelled':
    case 'interrupted':
      return { text: `! ${state}`, style: 'yellow' }
    case 'damaged':
    case 'failed':
      return { text: `✗ ${state}`, style: 'red' }
    case 'running':
      return { text: '› running', style: 'cyan' }
    case 'queued':
      return '· queued'
  }
}

function took({ started, finished }: Operation): string {
  if (started === undefined || finished === undefined) return ''
  return formatSeconds((Date.parse(finished) - Date.parse(started)) / 1000)
}
