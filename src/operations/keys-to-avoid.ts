import { readProofs } from '../repository/attestations.ts'
import { readCondemned } from '../repository/marks.ts'
import type { Repository } from '../repository/repository.ts'

/** Condemned, or found to be damaged: what lies there is stored again, and so heals with the next backup. */
export async function keysToAvoid(repository: Repository): Promise<readonly string[]> {
  const proofs = await readProofs(repository)
  const damaged = [...proofs.values()].flatMap((proof) => proof.damaged?.bad ?? [])
  return [...(await readCondemned(repository)).flatMap(({ objects }) => objects), ...damaged]
}
