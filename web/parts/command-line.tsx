import { useSignal } from '@preact/signals'
import { shellQuote } from '../../src/core/shell-quote.ts'

/** The same as a command, to paste. */
export function CommandLine({ words }: { readonly words: readonly string[] }) {
  const copied = useSignal(false)
  const text = ['permafrost', ...words].map(shellQuote).join(' ')
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text)
    copied.value = true
  }
  return (
    <div class="command-line">
      <span class="label">The same as a command</span>
      <code>{text}</code>
      <button type="button" class="quiet" onClick={() => void copy()} onBlur={() => (copied.value = false)}>
        {copied.value ? 'Copied' : 'Copy'}
      </button>
    </div>
  )
}
