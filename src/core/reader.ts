import type { Lexeme } from './tokenizer.ts'

/** A name as it stands in a statement: `db.table` or `table`. Positions are those of lexemes; `to` is behind the last. */
export interface Written {
  readonly names: readonly Lexeme[]
  readonly from: number
  readonly to: number
}

/** Looks at the lexemes of a statement by their positions. */
export interface Reader {
  readonly length: number
  at(position: number): Lexeme | undefined
  /** Do these keywords stand here, one after another? */
  words(position: number, ...words: readonly string[]): boolean
  symbol(position: number, symbol: string): boolean
  name(position: number): Lexeme | undefined
  /** A name with its dots: `a`, `a.b`, `a.b.c`; nothing where none begins. */
  dotted(position: number): Written | undefined
  /** Position behind the bracket that closes the one here. */
  close(position: number): number
  /** Of the brackets that open here, the stretches between the commas. */
  arguments(position: number): readonly Written[]
}

const OPEN = new Set(['(', '[', '{'])
const CLOSE = new Set([')', ']', '}'])

export function readerOf(all: readonly Lexeme[]): Reader {
  const symbol = (position: number, text: string) => all[position]?.kind === 'symbol' && all[position]?.text === text
  const name = (position: number) => {
    const lexeme = all[position]
    return lexeme?.kind === 'word' || lexeme?.kind === 'identifier' ? lexeme : undefined
  }
  const stretch = (from: number, to: number): Written => ({ names: all.slice(from, to), from, to })
  const walk = (position: number, comma: (at: number) => void): number => {
    let depth = 0
    for (let at = position; at < all.length; at++) {
      const text = all[at]?.kind === 'symbol' ? all[at]?.text : ''
      if (OPEN.has(text ?? '')) depth++
      if (CLOSE.has(text ?? '') && --depth === 0) return at + 1
      if (text === ',' && depth === 1) comma(at)
    }
    return all.length
  }
  return {
    length: all.length,
    at: (position) => all[position],
    words: (position, ...words) =>
      words.every((word, index) => {
        const lexeme = all[position + index]
        return lexeme?.kind === 'word' && lexeme.text.toUpperCase() === word
      }),
    symbol,
    name,
    dotted: (position) => {
      const first = name(position)
      if (!first) return undefined
      const names = [first]
      let to = position + 1
      for (let next = name(to + 1); symbol(to, '.') && next; next = name(to + 1)) {
        names.push(next)
        to += 2
      }
      return { names, from: position, to }
    },
    close: (position) => walk(position, () => undefined),
    arguments: (position) => {
      const commas: number[] = []
      const end = walk(position, (at) => commas.push(at)) - 1
      if (end <= position + 1) return []
      const starts = [position, ...commas]
      return starts.map((start, index) => stretch(start + 1, commas[index] ?? end))
    },
  }
}
