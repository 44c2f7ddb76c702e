import { createInterface } from 'node:readline'
import { Corrupt } from '../core/corrupt.ts'
import { tokenize } from '../core/tokenizer.ts'

/**
 * Statements as they are typed, or piped in: each ends with a semicolon, the last one with the input.
 *
 * @param prompt where to ask for the next; without it nobody is asked
 */
export async function* statements(
  input: NodeJS.ReadStream,
  prompt: { readonly to: NodeJS.WriteStream; readonly signal: AbortSignal } | undefined,
): AsyncGenerator<string> {
  const lines = createInterface({
    input,
    terminal: prompt !== undefined,
    ...(prompt && { output: prompt.to, signal: prompt.signal }),
  })
  const ask = (text: string): void => {
    if (!prompt) return
    lines.setPrompt(text)
    lines.prompt()
  }
  let begun = ''
  ask('sql> ')
  for await (const line of lines) {
    if (begun === '' && /^\s*(?:exit|quit)\b/i.test(line)) break
    const { complete, rest } = cut(`${begun}${line}\n`)
    begun = rest
    yield* complete
    ask(begun === '' ? 'sql> ' : '...> ')
  }
  lines.close()
  if (begun !== '' && !prompt) yield begun.trim()
}

interface Cut {
  readonly complete: readonly string[]
  /** What is still being typed; nothing when it is but blanks and comments. */
  readonly rest: string
}

/** A semicolon ends a statement, unless it is in quotes or in a comment. */
function cut(text: string): Cut {
  const complete: string[] = []
  let rest = ''
  let says = false
  for (const token of tokensOf(text) ?? [{ kind: 'word', text }]) {
    if (token.kind === 'symbol' && token.text === ';') {
      if (says) complete.push(rest.trim())
      rest = ''
      says = false
    } else {
      rest += token.text
      says ||= token.kind !== 'space'
    }
  }
  return { complete, rest: says ? rest : '' }
}

/** Nothing while a quote is open: the next line may close it. */
function tokensOf(text: string): ReturnType<typeof tokenize> | undefined {
  try {
    return tokenize(text)
  } catch (error) {
    if (error instanceof Corrupt) return undefined
    throw error
  }
}
