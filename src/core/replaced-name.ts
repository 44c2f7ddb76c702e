import type { RestorePlan } from './restore-plan.ts'
import { displayName } from './sql.ts'

/** What replacing has to be confirmed by: one table by its name, several by the backup's id; nothing when none is replaced. */
export function replacedName({ backup, steps }: RestorePlan): string | undefined {
  const replaced = steps.filter(({ action }) => action === 'swap' || action === 'swap-partitions')
  const [step] = replaced
  if (!step) return undefined
  return replaced.length === 1 ? displayName(step.target) : backup
}
