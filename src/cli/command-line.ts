import { PermafrostError, ERRORS, toPermafrostError } from '../core/errors.ts'
import type { Run } from './command.ts'
import { compose } from './compose.ts'
import type { Globals } from './globals.ts'
import { createOutput } from './output.ts'
import { makeProgram, parseError } from './program.ts'

const { stdin, stdout, stderr, env, argv } = process
const stop = new AbortController()

/** The command that this process was started with, from its arguments to its exit code. */
export async function commandLine(): Promise<void> {
  // The first Ctrl-C stops in good order: freezes are undone, the engine is ended. The second leaves at once; the next run
  // cleans up, as it does after a crash.
  let asked = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (asked) process.exit(ERRORS.CANCELLED.exit)
      asked = true
      stderr.write('\nstopping, and cleaning up. Again to leave that to the next run.\n')
      stop.abort(new PermafrostError('CANCELLED', 'stopped on request'))
    })
  }
  // A reader that closes its end (`| head`) wants no more; that is no error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  try {
    await makeProgram(run).parseAsync(argv)
  } catch (error) {
    const failure = parseError(error)
    if (failure) {
      const output = createOutput({ json: argv.includes('--json'), quiet: false, color: stderr.isTTY, stdout, stderr })
      output.fail(failure, { debug: argv.includes('--debug') })
      process.exitCode = failure.exitCode
    }
  }
}

const run: Run = async (command, work) => {
  const globals = command.optsWithGlobals<Globals>()
  const composition = compose(
    globals,
    { environment: env, workingDirectory: process.cwd(), stdin, stdout, stderr },
    stop.signal,
  )
  try {
    process.exitCode = (await work(composition)) ?? 0
  } catch (error) {
    const failure = explain(error, composition.signal)
    await composition[Symbol.asyncDispose]()
    composition.output.fail(failure, { debug: globals.debug ?? false })
    process.exitCode = failure.exitCode
  } finally {
    await composition[Symbol.asyncDispose]()
  }
}

/** Whatever was thrown while stopping came of the stop. */
function explain(error: unknown, signal: AbortSignal): PermafrostError {
  if (stop.signal.aborted) return new PermafrostError('CANCELLED', 'stopped on request', { cause: error })
  if (signal.aborted) return new PermafrostError('CANCELLED', 'it did not end within --timeout', { cause: error })
  return toPermafrostError(error)
}
