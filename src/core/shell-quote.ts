/**
 * A word of a command line, quoted where a shell would read it otherwise.
 *
 * @example
 * shellQuote('shop.o*') // "'shop.o*'"
 */
export function shellQuote(text: string): string {
  return /^[\w.@%+=:,/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
