import { useSignal } from '@preact/signals'
import { formatBytes, plural } from '../../src/core/units.ts'
import { get, post } from '../api.ts'
import { formatCount, formatShare } from '../format.ts'
import { Act } from '../parts/act.tsx'
import { CommandLine } from '../parts/command-line.tsx'
import { Copies } from '../parts/copies.tsx'
import { Facts } from '../parts/facts.tsx'
import { Forgotten } from '../parts/forgotten.tsx'
import { Loaded } from '../parts/loaded.tsx'
import { Mark } from '../parts/mark.tsx'
import { Moment } from '../parts/moment.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { PrunePreview } from '../parts/prune-preview.tsx'
import { RetentionPreview } from '../parts/retention-preview.tsx'
import { SizeChart } from '../parts/size-chart.tsx'
import { useResource } from '../resource.ts'
import type { Check } from '../types.ts'

/** What the repository holds, how it grows, what will leave it, and whether all is in order. */
export function RepositoryPage() {
  const repository = useResource('repository', (signal) => get('/repository', { signal }))
  return (
    <Page title="Repository" about={repository.value && <code>{repository.value.location}</code>}>
      <Loaded resource={repository}>
        {(value) => (
          <>
            <Facts
              facts={[
                {
                  name: 'Stored',
                  value: formatBytes(value.packBytes + value.metaBytes),
                  note: plural(value.packs + value.metaPacks, 'pack'),
                },
                {
                  name: 'Logical',
                  value: formatBytes(value.logical),
                  note: `${plural(value.backups, 'backup')}; each stored byte is used ${value.dedup.toFixed(1)} times`,
                },
                {
                  name: 'Dead',
                  value: formatBytes(value.deadBytes),
                  note: `${formatShare(value.deadBytes, value.packBytes + value.metaBytes)}: what a prune would free`,
                },
                {
                  name: 'Cipher',
                  value: value.suite,
                  note: (
                    <>
                      made <Moment at={value.created} />
                    </>
                  ),
                },
              ]}
            />
            <Section title="Growth" about="bytes that backups added, by month">
              <SizeChart
                label="Bytes stored by month"
                bars={Object.entries(value.growth).map(([name, stored]) => ({ name, stored, reused: 0 }))}
              />
              <div class="table-frame narrow">
                <table aria-label="Growth">
                  <tbody>
                    {Object.entries(value.growth)
                      .toReversed()
                      .slice(0, 6)
                      .map(([month, bytes]) => (
                        <tr key={month}>
                          <th scope="row">{month}</th>
                          <td class="number">{formatBytes(bytes)}</td>
                        </tr>
                      ))}
                  </tbody>
                </table>
              </div>
            </Section>
          </>
        )}
      </Loaded>
      <Section title="What retention drops next, and why">
        <RetentionPreview />
      </Section>
      <Section title="Forgotten" about="Out of the list, and still there until a prune after the grace period.">
        <Forgotten />
      </Section>
      <Section title="Copies" about="Other repositories that hold the backups as well: copy.to in the configuration.">
        <Copies />
      </Section>
      <Section title="Prune">
        <PrunePreview />
      </Section>
      <Section title="Doctor">
        <Doctor />
      </Section>
      <Section title="Configuration in force">
        <Configuration />
      </Section>
      <CommandLine words={['repo', 'info']} />
    </Page>
  )
}

const TONES = { ok: 'good', warning: 'warn', failed: 'bad' } as const

function Doctor() {
  const checks = useSignal<readonly Check[] | undefined>(undefined)
  return (
    <>
      <div class="actions">
        <Act scope="operate" act={async () => void (checks.value = (await post('/doctor', {})).checks)}>
          Check everything
        </Act>
      </div>
      {checks.value && (
        <ul class="findings" aria-label="Checks">
          {checks.value.map(({ name, status, message, hint = [] }, index) => (
            <li key={index}>
              <Mark tone={TONES[status]}>{status}</Mark>
              <span>
                <strong>{name}</strong> {message}
                {hint.map((line) => (
                  <span class="hint" key={line}>
                    {line}
                  </span>
                ))}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function Configuration() {
  const config = useResource('config', (signal) => get('/config', { signal }))
  return (
    <Loaded resource={config}>
      {({ settings }) => (
        <div class="table-frame">
          <table aria-label="Configuration">
            <thead>
              <tr>
                <th scope="col">Setting</th>
                <th scope="col">Value</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {settings
                .filter(({ value }) => value !== undefined)
                .map(({ path, value, origin, description }) => (
                  <tr key={path}>
                    <th scope="row" title={description}>
                      {path}
                    </th>
                    <td>
                      <code>
                        {typeof value === 'number'
                          ? formatCount(value)
                          : typeof value === 'string'
                            ? value
                            : JSON.stringify(value)}
                      </code>
                    </td>
                    <td>{origin}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </Loaded>
  )
}
