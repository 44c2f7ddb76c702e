import { useSignal } from '@preact/signals'
import { problemOf } from '../api.ts'
import type { ShownProblem } from '../api.ts'
import { Note } from '../parts/note.tsx'
import { ProblemNote } from '../parts/problem-note.tsx'
import { Page } from '../parts/page.tsx'
import { ended, signIn } from '../session.ts'

/** Trade a token for a session. The page that was open stays in the address, and comes back afterwards. */
export function SignInPage() {
  const token = useSignal('')
  const problem = useSignal<ShownProblem | undefined>(undefined)
  const submit = async (): Promise<void> => {
    problem.value = undefined
    try {
      await signIn(token.value)
    } catch (error) {
      problem.value = problemOf(error)
    }
  }
  return (
    <Page title="Sign in" about="with a token of this agent">
      {ended.value && (
        <Note tone="warn" title="Your session has ended. Sign in to go on where you were.">
          <p>A session lasts twelve hours, and ends when the agent is started again; what runs goes on without you.</p>
        </Note>
      )}
      <form
        class="sign-in"
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        <label class="field">
          <span>Token</span>
          <input
            type="password"
            autocomplete="current-password"
            required
            value={token.value}
            onInput={(event) => (token.value = event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary">
          Sign in
        </button>
      </form>
      {problem.value && <ProblemNote problem={problem.value} />}
      <p class="dim">
        <code>permafrost agent token add &lt;name&gt; --scope read|operate|admin</code> makes one.
      </p>
    </Page>
  )
}
