import type { Engine } from '../engine/engine.ts'

/** An engine that is shared while it is used, and ended when nobody does. */
export interface EngineLease {
  use<T>(work: (engine: Engine) => Promise<T>): Promise<T>
}

/**
 * Whoever started an embedded engine ends it, and with it everyone who had joined: so all uses share one. Between uses there
 * is none, which keeps the idle agent small and makes the next use see a server that was changed meanwhile.
 */
export function engineLease(open: () => Promise<Engine>): EngineLease {
  let users = 0
  let opened: Promise<Engine> | undefined
  let closing: Promise<void> = Promise.resolve()
  return {
    use: async (work) => {
      users++
      try {
        opened ??= closing.then(open)
        return await work(await opened)
      } finally {
        users--
        if (users === 0 && opened) {
          const last = opened
          opened = undefined
          closing = last.then((engine) => engine[Symbol.asyncDispose]()).catch(() => undefined)
          await closing
        }
      }
    },
  }
}
