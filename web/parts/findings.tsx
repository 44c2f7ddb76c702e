import type { Finding } from '../types.ts'
import { Mark } from './mark.tsx'
import type { Tone } from './mark.tsx'

const TONES: Readonly<Record<Finding['severity'], Tone>> = {
  note: 'quiet',
  warning: 'warn',
  incomplete: 'warn',
  damage: 'bad',
}

/** What should be known and did not stop the work. */
export function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  return (
    <ul class="findings">
      {findings.map(({ severity, object, message, hint }) => (
        <li key={`${severity} ${object} ${message}`}>
          <Mark tone={TONES[severity]}>{severity}</Mark>
          <span>
            <code>{object}</code> {message}
            {hint && <span class="hint"> {hint}</span>}
          </span>
        </li>
      ))}
    </ul>
  )
}
