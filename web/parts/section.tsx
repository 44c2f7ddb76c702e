import type { ComponentChildren } from 'preact'

/** A part of a page, with a heading. */
export function Section({
  title,
  about,
  children,
}: {
  readonly title: string
  readonly about?: ComponentChildren
  readonly children: ComponentChildren
}) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {about && <p class="about">{about}</p>}
      {children}
    </section>
  )
}
