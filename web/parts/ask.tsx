import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { may } from '../session.ts'
import type { Scope } from '../types.ts'
import { Act } from './act.tsx'
import { Typed } from './typed.tsx'

export interface Question {
  /** What the button says that asks, and the one that answers yes. */
  readonly verb: string
  readonly title: string
  readonly scope: Scope
  /** A text that has to be typed: for what cannot be undone. */
  readonly confirm?: string | undefined
  /** Whether it can be answered with yes: what it asks for is filled in. */
  readonly ready?: boolean
  readonly act: () => Promise<void>
  readonly children: ComponentChildren
}

/** A button that asks first. The browser keeps the focus in the dialog, and gives it back. */
export function Ask({ verb, title, scope, confirm, ready = true, act, children }: Question) {
  const dialog = useRef<HTMLDialogElement>(null)
  const open = useSignal(false)
  const typed = useSignal('')
  useEffect(() => {
    if (open.value) dialog.current?.showModal()
  }, [open.value])
  const allowed = may(scope)
  return (
    <>
      <button
        type="button"
        disabled={!allowed}
        title={allowed ? undefined : `Needs a token with the scope ${scope}`}
        onClick={() => {
          open.value = true
        }}
      >
        {verb} …
      </button>
      {open.value && (
        <dialog
          ref={dialog}
          aria-label={title}
          onClose={() => {
            open.value = false
            typed.value = ''
          }}
        >
          <h2>{title}</h2>
          {children}
          {confirm !== undefined && (
            <Typed expected={confirm} value={typed.value} onType={(text) => (typed.value = text)} />
          )}
          <div class="actions">
            <button type="button" onClick={() => dialog.current?.close()}>
              Leave it
            </button>
            <Act
              primary
              scope={scope}
              disabled={!ready || (confirm !== undefined && typed.value !== confirm)}
              act={async () => {
                await act()
                dialog.current?.close()
              }}
            >
              {verb}
            </Act>
          </div>
        </dialog>
      )}
    </>
  )
}
