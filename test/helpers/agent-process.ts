import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogLine } from '../../src/server/log.ts'
import { startCli } from './cli.ts'
import type { CliOptions, CliResult } from './cli.ts'

/** The agent as a process of its own. */
export interface AgentProcess {
  readonly url: string
  readonly child: ChildProcess
  readonly result: Promise<CliResult>
  readonly log: () => readonly LogLine[]
}

/** Start `permafrost … agent …` and wait until it listens. */
export async function startAgentProcess(args: readonly string[], options: CliOptions = {}): Promise<AgentProcess> {
  const { child, result } = startCli(args, options)
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const log = () =>
    stderr
      .split('\n')
      .flatMap((line): readonly LogLine[] => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []))
  for (;;) {
    const url = log().find((line) => typeof line['url'] === 'string')?.['url']
    if (typeof url === 'string') return { url, child, result, log }
    if (child.exitCode !== null) throw new Error(`the agent ended: ${stderr}`)
    await sleep(20)
  }
}
