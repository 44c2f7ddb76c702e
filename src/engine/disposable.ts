import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PermafrostError } from '../core/errors.ts'
import { diskError } from '../core/disk-error.ts'
import { embeddedEngine } from './embedded.ts'
import type { Engine } from './engine.ts'
import { freezerState } from './freezer.ts'
import { makeFreezeName, parseFreezeName } from './freeze-name.ts'
import type { Freezer } from './freeze-name.ts'

export interface DisposableOptions {
  /** Where its directory is made. */
  readonly scratch: string
  readonly self: Freezer
  readonly random: (size: number) => Uint8Array
  readonly signal?: AbortSignal | undefined
}

export interface DisposableEngine extends Engine {
  /** Its data directory. */
  readonly path: string
}

/**
 * An empty ClickHouse that is gone when it is disposed of, with all that it holds. It is gone as well when this process is
 * killed: a keeper beside it waits for that. Should the keeper be killed, too, the next one that is made in the same place
 * removes what is left, for the directory's name says whose it was.
 */
export async function disposableEngine(options: DisposableOptions): Promise<DisposableEngine> {
  const { scratch, self, random, signal } = options
  const path = join(scratch, makeFreezeName(self, random))
  try {
    mkdirSync(scratch, { recursive: true })
    sweep(scratch, self)
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    throw diskError(error, `make ${path}`)
  }
  const keeper = startKeeper(path)
  try {
    const engine = await embeddedEngine({ path, random, signal, onStart: keeper.engineIs })
    return {
      ...engine,
      path,
      [Symbol.asyncDispose]: async () => {
        await engine[Symbol.asyncDispose]()
        await keeper.end()
      },
    }
  } catch (error) {
    await keeper.end()
    throw error
  }
}

/** What nobody is left to clean up: the process that made it has ended, and its engine with it. */
function sweep(scratch: string, self: Freezer): void {
  for (const name of readdirSync(scratch)) {
    const maker = parseFreezeName(name)
    if (maker && freezerState(maker, self) === 'gone') rmSync(join(scratch, name), { recursive: true, force: true })
  }
}

function startKeeper(path: string) {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  const entry = new URL(`../engine/scratch-keeper${extension}`, import.meta.url)
  const child = spawn(process.execPath, [entry.pathname, path], {
    // Its own session, so that Ctrl-C in the terminal does not reach it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: {},
  })
  child.stdin.on('error', () => undefined)
  const ended = new Promise<void>((done, fail) => {
    child.once('exit', () => done())
    child.once('error', (error) =>
      fail(new PermafrostError('INTERNAL', 'the keeper of a disposable engine did not start', { cause: error })),
    )
  })
  ended.catch(() => undefined)
  return {
    engineIs: (pid: number): void => void child.stdin.write(`${pid}\n`),
    end: async (): Promise<void> => {
      child.stdin.end()
      await ended
    },
  }
}
