import { failureSentence } from './failure-sentence.ts'
import { StorageError } from './storage-error.ts'
import type { StorageFailure } from './storage-error.ts'

interface Meaning {
  readonly said: RegExp
  readonly failure: StorageFailure
  readonly hint?: string
}

/** What rclone and the stores behind it say, the first that fits. Its numbers of HTTP and its exit codes do not tell these apart. */
const MEANINGS: readonly Meaning[] = [
  {
    said: /find section in config file/i,
    failure: 'absent',
    hint: 'make the remote with: rclone config, or correct its name in repository.url',
  },
  {
    said: /connection refused|no such host/i,
    failure: 'absent',
    hint: 'look whether the server runs, and at its address in the configuration of rclone',
  },
  { said: /decrypt|is it obscured/i, failure: 'refused' },
  { said: /x509|knownhosts|certificate/i, failure: 'untrusted' },
  {
    said: /\b401\b|unauthori[sz]ed|unable to authenticate|SignatureDoesNotMatch|InvalidAccessKeyId|ExpiredToken/i,
    failure: 'unauthenticated',
    hint: 'look at the credentials in the configuration of rclone: rclone config reconnect, or rclone config update',
  },
  {
    said: /\b403\b|forbidden|permission denied|AccessDenied|read-only file system/i,
    failure: 'forbidden',
    hint: 'give the account of the remote the right to read and write there',
  },
  {
    said: /\b507\b|no space left|insufficient storage|quota/i,
    failure: 'full',
    hint: 'free space there, or raise the quota, and run it again',
  },
]

/**
 * What rclone said, as an error of the store. None of its words are passed on: they quote addresses, and some of those hold a
 * token.
 */
export function rcloneError(said: string, { doing, remote }: { doing: string; remote: string }): StorageError {
  const location = `rclone:${remote}`
  // What is quoted is a name or an address, and may look like one of the words.
  const words = said.replaceAll(/"[^"]*"/g, '')
  const { failure, hint = `see what rclone says to: rclone lsf ${remote}` } = MEANINGS.find((meaning) =>
    meaning.said.test(words),
  ) ?? { failure: 'broken' as const }
  const sentence =
    failure === 'absent'
      ? `${location} is not there`
      : failureSentence(failure, { doing, location, container: 'container' })
  return new StorageError(failure, sentence, { hint })
}
