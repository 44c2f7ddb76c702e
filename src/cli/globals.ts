import type { ProgressMode } from './progress.ts'

/** The flags that every command has. */
export interface Globals {
  readonly config?: string
  readonly repo?: string
  readonly json?: boolean
  readonly progress: 'auto' | ProgressMode
  readonly quiet?: boolean
  readonly debug?: boolean
  readonly color: boolean
  readonly input: boolean
  readonly yes?: boolean
  readonly timeout?: string
}

/** Everything that the command line takes from the process, in one place. */
export interface Process {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
}
