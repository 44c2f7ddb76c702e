import { computed, signal } from '@preact/signals'
import type { AnswerOf } from '../src/server/contract/routes.ts'
import { get, onRefusal, post, remove } from './api.ts'
import type { Scope } from './types.ts'

type Session = AnswerOf<'session'>

/** Who is signed in; nothing while that is being asked. */
export const session = signal<Session | undefined>(undefined)

/** Somebody was signed in, and is not any more. */
export const ended = signal(false)

onRefusal(({ status }) => {
  if (status !== 401 || !session.value?.authenticated) return
  ended.value = true
  session.value = { required: true, authenticated: false }
})

/** Ask the agent who is signed in. The token itself is never kept: the cookie is out of reach of scripts. */
export async function loadSession(): Promise<void> {
  const before = session.value?.authenticated
  session.value = await get('/session')
  if (before && !session.value.authenticated) ended.value = true
}

export async function signIn(token: string): Promise<void> {
  session.value = await post('/session', { token })
  ended.value = false
}

export async function signOut(): Promise<void> {
  session.value = await remove('/session')
}

const SCOPES: readonly Scope[] = ['read', 'operate', 'admin']

const scope = computed(() => session.value?.scope ?? 'read')

/** May whoever is signed in do what needs this scope? The agent decides; this only spares an attempt. */
export function may(needed: Scope): boolean {
  return SCOPES.indexOf(scope.value) >= SCOPES.indexOf(needed)
}
