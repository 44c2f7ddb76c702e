import { signal } from '@preact/signals'

/** Where the reader is: the part of the address after `#`. */
export interface Route {
  readonly path: readonly string[]
  readonly query: URLSearchParams
}

/** The route at hand; it follows the address. */
export const route = signal(read())

addEventListener('hashchange', () => {
  route.value = read()
})

/** The address of a page: `href('backups', id, 'restore')`. */
export function href(...path: readonly string[]): string {
  return `#/${path.map(encodeURIComponent).join('/')}`
}

export function go(...path: readonly string[]): void {
  location.hash = href(...path)
}

function read(): Route {
  const [path = '', query = ''] = location.hash.slice(1).split('?')
  return {
    path: path
      .split('/')
      .filter((step) => step !== '')
      .map(decode),
    query: new URLSearchParams(query),
  }
}

/** What somebody typed need not be well-formed. */
function decode(step: string): string {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}
