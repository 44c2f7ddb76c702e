import { PermafrostError } from '../core/errors.ts'
import type { ErrorCode, ErrorDetails } from '../core/errors.ts'
import type { FinishedPack } from './pack-writer.ts'
import type { Host, Tasks } from './tasks.ts'

export type TaskName = keyof Tasks
export type ToWorker =
  | { readonly type: 'run'; readonly task: TaskName; readonly job: never }
  | { readonly type: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly call: number; readonly error: SentError }
export type FromWorker =
  | { readonly type: 'done'; readonly value: unknown }
  | { readonly type: 'failed'; readonly error: SentError }
  | { readonly type: 'put'; readonly call: number; readonly pack: FinishedPack }
  | { readonly type: 'fetch'; readonly call: number; readonly args: Parameters<Host['fetch']> }

/** An error on its way between threads: structured clone keeps no class and no code. */
export interface SentError {
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly details: ErrorDetails
}

export function sendError(error: unknown): SentError {
  if (error instanceof PermafrostError) {
    return { code: error.code, message: error.message, details: { hint: error.hint, detail: error.detail } }
  }
  return {
    code: undefined,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    details: {},
  }
}

export function receiveError({ code, message, details }: SentError): Error {
  return code ? new PermafrostError(code, message, details) : new Error(message)
}
