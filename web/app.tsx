import type { VNode } from 'preact'
import { useEffect } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import { problemOf } from './api.ts'
import type { ShownProblem } from './api.ts'
import { connected, startLive } from './live.ts'
import { BackupPage } from './pages/backup.tsx'
import { BackupsPage } from './pages/backups.tsx'
import { OperationPage } from './pages/operation.tsx'
import { OperationsPage } from './pages/operations.tsx'
import { QueryPage } from './pages/query.tsx'
import { RepositoryPage } from './pages/repository.tsx'
import { RestorePage } from './pages/restore.tsx'
import { SignInPage } from './pages/sign-in.tsx'
import { Dock } from './parts/dock.tsx'
import { Note } from './parts/note.tsx'
import { ProblemNote } from './parts/problem-note.tsx'
import { Page } from './parts/page.tsx'
import { href, route } from './route.ts'
import { loadSession, session, signOut } from './session.ts'

/** The console: who is there, where they are, and what is at work. */
export function App() {
  const problem = useSignal<ShownProblem | undefined>(undefined)
  useEffect(() => {
    loadSession().catch((error: unknown) => {
      problem.value = problemOf(error)
    })
  }, [])
  if (problem.value) return <ProblemNote problem={problem.value} />
  if (!session.value) return null
  return session.value.authenticated ? <SignedIn /> : <SignInPage />
}

function SignedIn() {
  useEffect(startLive, [])
  return (
    <>
      <Head />
      {!connected.value && (
        <div class="banner">
          <Note tone="warn" title="The agent does not answer. Trying again …">
            <p>
              What is shown may be old. An operation that was at work is explained on its page when the agent is back.
            </p>
          </Note>
        </div>
      )}
      <Current />
      <Dock />
    </>
  )
}

const NAVIGATION = [
  ['Backups', []],
  ['Operations', ['operations']],
  ['Repository', ['repository']],
] as const

function Head() {
  const here = route.value.path[0] ?? 'backups'
  const { required, name, scope } = session.value ?? {}
  return (
    <header class="top">
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>('h1')?.focus()}>
        Skip to the page
      </button>
      <a class="brand" href={href()}>
        Permafrost
      </a>
      <nav aria-label="Pages">
        {NAVIGATION.map(([title, path]) => (
          <a key={title} href={href(...path)} aria-current={here === (path[0] ?? 'backups') ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {required && (
        <div class="who">
          <span>
            {name} <span class="scope">{scope}</span>
          </span>
          <button type="button" class="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      )}
    </header>
  )
}

/** Pages by their address, in which `:` is an id. A page of another id is another page. */
const PAGES: Readonly<Record<string, (id: string) => VNode>> = {
  '': () => <BackupsPage />,
  backups: () => <BackupsPage />,
  'backups/:': (id) => <BackupPage key={id} id={id} />,
  'backups/:/restore': (id) => <RestorePage key={id} id={id} />,
  'backups/:/query': (id) => <QueryPage key={id} id={id} />,
  operations: () => <OperationsPage />,
  'operations/:': (id) => <OperationPage key={id} id={id} />,
  repository: () => <RepositoryPage />,
}

/** The page that the address names. */
function Current() {
  const [page = '', id, ...rest] = route.value.path
  const address = [page, ...(id === undefined ? [] : [':']), ...rest].join('/')
  return PAGES[address]?.(id ?? '') ?? <NotFound />
}

function NotFound() {
  return (
    <Page title="Not found">
      <p>
        There is no such page. <a href={href()}>Backups</a>
      </p>
    </Page>
  )
}
