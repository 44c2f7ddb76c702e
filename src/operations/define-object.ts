import { attachCreate, emptyCreate } from '../core/create-statement.ts'
import type { RestoreStep } from '../core/restore-plan.ts'
import { createObject } from '../engine/create.ts'
import { detachForGood, findTable } from '../engine/scratch.ts'
import type { RestoreContext } from './restore-context.ts'

/** Make a view, a dictionary, a queue. It has no rows, so there is nothing to compare, and a rerun finds it there. */
export async function defineObject(step: RestoreStep, ctx: RestoreContext): Promise<void> {
  const { engine, info } = ctx
  switch (step.action) {
    case 'define':
      return createObject(engine, info, await statementOf(step, ctx))
    case 'define-detached':
      await createObject(engine, info, step.create)
      // Before any view reads it: until then it consumes nothing.
      return detachForGood(engine, step.target)
    default:
  }
}

async function statementOf({ create, attach }: RestoreStep, { engine }: RestoreContext): Promise<string> {
  if (!attach) return emptyCreate(create)
  const inner = attach.inner && (await findTable(engine, attach.inner))
  return attachCreate(create, { uuid: attach.uuid, inner: inner?.uuid })
}
