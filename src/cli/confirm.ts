import { createInterface } from 'node:readline/promises'
import { PermafrostError } from '../core/errors.ts'
import type { Composition } from './compose.ts'

/**
 * A severe act: the name must be typed, or given with `--confirm`. Without a terminal nothing is asked.
 *
 * @throws USAGE when it was not confirmed
 */
export async function confirmByName(
  { process, globals, signal }: Pick<Composition, 'process' | 'globals' | 'signal'>,
  { name, given, act }: { readonly name: string; readonly given: string | undefined; readonly act: string },
): Promise<void> {
  if (given === name) return
  const hint = `add --confirm ${/\s|'|`/.test(name) ? `'${name.replaceAll("'", `'\\''`)}'` : name}`
  if (given !== undefined)
    throw new PermafrostError('USAGE', `--confirm ${given} is not the name of what this would ${act}: ${name}`, {
      hint,
    })
  if (!process.stdin.isTTY || !process.stderr.isTTY || !globals.input) {
    throw new PermafrostError('USAGE', `this would ${act} ${name}, and nobody can be asked`, { hint })
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await lines.question(`This will ${act} ${name}. Type the name to go on: `, { signal })
    if (answer.trim() !== name) throw new PermafrostError('CANCELLED', 'not confirmed; nothing was changed')
  } finally {
    lines.close()
  }
}
