import type { Command } from 'commander'
import { configKeys } from '../config/schema.ts'
import { PermafrostError } from '../core/errors.ts'
import { exitCodeTable } from './error-text.ts'
import { table } from './output.ts'

export const TOPICS = ['exit-codes', 'config', 'environment'] as const

const plain = { style: (_: string, text: string) => text }

/** Help on a topic, a command, or everything; the tables of the code make it. */
export function helpTopic(program: Command, topic: string | undefined): string {
  switch (topic) {
    case undefined:
      return program.helpInformation()
    case 'exit-codes':
      return table(
        plain,
        [{ title: 'EXIT', right: true }, { title: 'CODE' }, { title: 'MEANING' }],
        exitCodeTable(),
      ).join('\n')
    case 'config':
      return table(
        plain,
        [{ title: 'SETTING' }, { title: 'MEANING' }],
        configKeys().map((key) => [key.path, key.description]),
      ).join('\n')
    case 'environment':
      return table(plain, [{ title: 'VARIABLE' }, { title: 'SETTING' }], environment()).join('\n')
    default: {
      const command = program.commands.find((candidate) => candidate.name() === topic)
      if (command) return command.helpInformation()
      throw new PermafrostError('USAGE', `there is no command or topic ${topic}`, { hint: 'permafrost --help' })
    }
  }
}

function environment(): readonly (readonly [string, string])[] {
  const settings = configKeys().flatMap(({ path, environment: name }) => (name ? [[name, path] as const] : []))
  return [
    ['PERMAFROST_CONFIG', '--config'],
    ['PERMAFROST_PROGRESS', '--progress'],
    ['PERMAFROST_AGENT_TOKEN', 'the token for --agent and operations'],
    ['NO_COLOR', '--no-color'],
    ...settings,
  ]
}
