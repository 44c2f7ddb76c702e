import { parentPort, workerData } from 'node:worker_threads'
import { nodeDisk } from '../storage/node-disk.ts'
import { giveBack } from './give-back.ts'
import { localTasks } from './tasks.ts'
import type { Host } from './tasks.ts'
import { receiveError, sendError } from './worker-messages.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

// The entry of a worker thread. It runs one task at a time and asks its owner for everything that goes over the network.

const port = parentPort
if (port) {
  const calls = new Map<number, PromiseWithResolvers<never>>()
  let last = 0
  const call = <T>(message: (call: number) => FromWorker): Promise<T> => {
    const answer = Promise.withResolvers<never>()
    calls.set(++last, answer)
    port.postMessage(message(last))
    return answer.promise
  }
  const host: Host = {
    put: (pack) => call((number) => ({ type: 'put', call: number, pack })),
    fetch: (...args) => call((number) => ({ type: 'fetch', call: number, args })),
    done: giveBack,
  }
  const { buffers } = workerData as { readonly buffers: number }
  const tasks = localTasks({ disk: nodeDisk, host, buffers })

  port.on('message', (message: ToWorker) => {
    if (message.type === 'run') {
      tasks[message.task](message.job).then(
        (value) => port.postMessage({ type: 'done', value } satisfies FromWorker),
        (error: unknown) => port.postMessage({ type: 'failed', error: sendError(error) } satisfies FromWorker),
      )
      return
    }
    const waiting = calls.get(message.call)
    calls.delete(message.call)
    if (message.type === 'answer') waiting?.resolve(message.value as never)
    else waiting?.reject(receiveError(message.error))
  })
}
