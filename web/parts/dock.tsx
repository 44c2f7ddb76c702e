import { atWork } from '../live.ts'
import { href, route } from '../route.ts'
import { useOperation } from '../use-operation.ts'
import { ProgressBar } from './progress-bar.tsx'

/** What is at work, on every page but its own. */
export function Dock() {
  const [first, ...others] = atWork.value
  const [page, id] = route.value.path
  if (!first || (page === 'operations' && id === first.id)) return null
  return (
    <aside class="dock" aria-label="At work">
      <Docked key={first.id} id={first.id} kind={first.kind} />
      {others.length > 0 && <a href={href('operations')}>and {others.length} waiting</a>}
    </aside>
  )
}

function Docked({ id, kind }: { readonly id: string; readonly kind: string }) {
  const view = useOperation(id)
  return (
    <>
      <a href={href('operations', id)}>
        {kind} {view.operation?.state ?? ''}
      </a>
      <ProgressBar view={view} label={`Progress of the ${kind}`} />
    </>
  )
}
