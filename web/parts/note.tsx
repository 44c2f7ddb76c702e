import type { ComponentChildren } from 'preact'
import type { Tone } from './mark.tsx'
import { Mark } from './mark.tsx'

/** Something that should be known. */
export function Note({
  tone,
  title,
  children,
}: {
  readonly tone: Tone
  readonly title: string
  readonly children?: ComponentChildren
}) {
  return (
    <div class={`note ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <Mark tone={tone}>{title}</Mark>
      {children}
    </div>
  )
}
