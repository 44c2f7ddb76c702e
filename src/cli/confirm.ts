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
  if (!canAsk({ process, globals }))
    throw new PermafrostError('USAGE', `this would ${act} ${name}, and nobody can be asked`, { hint })
  const answer = await ask({ process, signal }, `This will ${act} ${name}. Type the name to go on: `)
  if (answer !== name) throw notConfirmed()
}

/**
 * A moderate act: a plan was shown, and is to be agreed to. Without a terminal nothing is asked.
 *
 * @throws USAGE when nobody could be asked and `--yes` was not given, CANCELLED when the answer was no
 */
export async function confirmPlan(
  { process, globals, signal }: Pick<Composition, 'process' | 'globals' | 'signal'>,
  act: string,
): Promise<void> {
  if (globals.yes) return
  if (!canAsk({ process, globals }))
    throw new PermafrostError('USAGE', `this would ${act}, and nobody can be asked`, { hint: 'add --yes' })
  const answer = await ask({ process, signal }, `Go on and ${act}? [y/N] `)
  if (!/^y(es)?$/i.test(answer)) throw notConfirmed()
}

function canAsk({ process, globals }: Pick<Composition, 'process' | 'globals'>): boolean {
  return process.stdin.isTTY && process.stderr.isTTY && globals.input
}

async function ask({ process, signal }: Pick<Composition, 'process' | 'signal'>, question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await lines.question(question, { signal })).trim()
  } finally {
    lines.close()
  }
}

function notConfirmed(): PermafrostError {
  return new PermafrostError('CANCELLED', 'not confirmed; nothing was changed')
}
