import { createInterface } from 'node:readline'

/**
 * Statements as they are typed, or piped in: each ends with a semicolon at the end of a line, the last one with the input.
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
  let statement = ''
  ask('sql> ')
  for await (const line of lines) {
    statement += `${line}\n`
    const text = statement.trim()
    if (/^(exit|quit)\b/i.test(text)) break
    if (text === '') statement = ''
    if (text.endsWith(';')) {
      statement = ''
      yield text.slice(0, -1)
    }
    ask(statement === '' ? 'sql> ' : '...> ')
  }
  lines.close()
  if (statement.trim() !== '' && !prompt) yield statement.trim()
}
