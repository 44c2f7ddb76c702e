import { post } from './api.ts'
import { hear } from './live.ts'
import { go } from './route.ts'
import type { OperationRequest } from './types.ts'

/** Start an operation and go where it can be followed. @throws Refused */
export async function start(request: OperationRequest): Promise<void> {
  const { operation } = await post('/operations', request)
  hear(operation)
  go('operations', operation.id)
}
