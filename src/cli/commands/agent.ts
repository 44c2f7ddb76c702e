import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { PermafrostError } from '../../core/errors.ts'
import type { AddCommand } from '../command.ts'
import { agentPorts } from '../agent-ports.ts'
import type { AgentFlags } from '../agent-ports.ts'
import type { Composition } from '../compose.ts'

/** `permafrost agent` and `permafrost agent token add` */
export const addAgent: AddCommand = (program, run) => {
  const agent = program
    .command('agent')
    .summary('run the scheduler, the REST API and the console')
    .description('Back up on a schedule, and serve the REST API and the console until it is stopped.')
    .option('--listen <address:port>', 'instead of agent.listen')
    .option('--compat <product>', 'answer for clickhouse-backup, too: its REST routes and metric names')
    .action((flags: AgentFlags, command) =>
      run(command, async (c) => {
        if (flags.compat !== undefined && flags.compat !== 'clickhouse-backup')
          throw new PermafrostError('USAGE', `--compat ${flags.compat} is not known`, {
            hint: '--compat clickhouse-backup',
          })
        await serve(c, flags)
      }),
    )
  agent
    .command('token')
    .summary('tokens that let somebody in')
    .description('Make tokens for the REST API and the console.')
    .command('add <name>')
    .summary('make a token')
    .description('Make a token, print it once, and write its hash into the file of agent.tokens.')
    .option('--scope <scope>', 'read · operate: back up, verify, query, restore beside · admin: everything', 'read')
    .action((name: string, options: { readonly scope: string }, command) =>
      run(command, async (c) => addToken(c, name, options.scope)),
    )
}

async function serve(c: Composition, flags: AgentFlags): Promise<void> {
  const { startAgent } = await import('../../server/agent.ts')
  const ports = agentPorts(c, flags)
  const agent = await startAgent(ports)
  const reload = (): void => {
    try {
      agent.reload()
      ports.log({ level: 'info', message: 'the configuration was read again' })
    } catch (error) {
      ports.log({ level: 'error', message: `the configuration stays as it was: ${String(error)}` })
    }
  }
  process.on('SIGHUP', reload)
  ports.log({ level: 'info', message: `listening at ${agent.url}`, url: agent.url })
  tellSystemd(c, 'READY=1')
  await new Promise((done) => c.signal.addEventListener('abort', done, { once: true }))
  process.off('SIGHUP', reload)
  tellSystemd(c, 'STOPPING=1')
  await agent.stop()
  ports.log({ level: 'info', message: 'stopped' })
}

/** Node.js has no datagrams on Unix sockets; systemd brings a program that has. Without systemd there is nobody to tell. */
function tellSystemd({ process: { environment } }: Composition, state: string): void {
  const { NOTIFY_SOCKET, PATH } = environment
  if (NOTIFY_SOCKET === undefined) return
  execFile('systemd-notify', [state], { env: { NOTIFY_SOCKET, PATH } }, () => undefined)
}

async function addToken(c: Composition, name: string, given: string): Promise<void> {
  const { makeToken, parseTokens, tokenLine } = await import('../../server/tokens.ts')
  const { SCOPES } = await import('../../server/contract/shapes.ts')
  const scope = SCOPES.find((known) => known === given)
  if (!scope) throw new PermafrostError('USAGE', `--scope ${given} is none of ${SCOPES.join(', ')}`)
  const file = c.secret('agent.tokens', c.config().config.agent.tokens)?.file
  if (file === undefined)
    throw new PermafrostError('CONFIG_INVALID', 'agent.tokens names no file', {
      hint: 'agent: { tokens: "${file:/etc/permafrost/tokens}" }',
    })
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  if (parseTokens(before).some((entry) => entry.name === name))
    throw new PermafrostError('CONFLICT', `there is a token ${name} already`, { hint: `take its line out of ${file}` })
  const token = makeToken(c.base().random(32))
  const lead = before === '' || before.endsWith('\n') ? '' : '\n'
  appendFileSync(file, `${lead}${tokenLine(name, scope, token)}\n`, { mode: 0o600 })
  c.output.answer({ name, scope, token }, () => [token])
  c.output.say('This is the only time that it is shown. A running agent knows it after a reload (SIGHUP).')
}
