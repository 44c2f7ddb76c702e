import type { StorageFailure } from './storage-error.ts'

/** What was tried, with its object, and at which location of which kind. */
export interface Tried {
  readonly doing: string
  readonly location: string
  readonly container: 'bucket' | 'container'
}

/** What an object store did not do, as a sentence. */
export function failureSentence(failure: StorageFailure, { doing, location, container }: Tried): string {
  switch (failure) {
    case 'absent':
      return `there is no such ${container}: ${location}`
    case 'unauthenticated':
      return `${location} does not accept the credentials`
    case 'forbidden':
      return `the credentials may not ${doing} at ${location}`
    case 'full':
      return `no space left to ${doing} at ${location}`
    case 'busy':
    case 'broken':
    case 'spoilt':
    case 'refused':
    case 'untrusted':
      return `${location} did not ${doing}`
  }
}
