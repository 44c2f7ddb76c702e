import { formatBytes, formatSeconds, plural } from '../../src/core/units.ts'
import type { Attestation, ShownBackup } from '../types.ts'
import { Mark } from './mark.tsx'
import { Moment } from './moment.tsx'
import { LEVELS } from './proof-mark.tsx'

const SHOWS: Readonly<Record<Attestation['level'], string>> = {
  1: 'every pack is there, with its size',
  2: 'and its bytes are what was stored',
  3: 'and every file was rebuilt and is what ClickHouse wrote',
  4: 'and ClickHouse attached it, and answered',
}

/** What was checked of a backup, and what came of it: the best proof, what speaks against it, the newest drill. */
export function Proofs({ shown: { proven, damaged, drill } }: { readonly shown: ShownBackup }) {
  const known = [...new Map([damaged, drill, proven].flatMap((one) => (one ? [[one.at, one]] : []))).values()]
  if (known.length === 0)
    return <p class="dim">Nothing was checked yet. “Verify” reads all of it back and compares every file.</p>
  return (
    <>
      <div class="table-frame">
        <table aria-label="Proofs">
          <thead>
            <tr>
              <th scope="col">Level</th>
              <th scope="col">Result</th>
              <th scope="col">When</th>
              <th scope="col" class="number">
                Looked at
              </th>
              <th scope="col">It shows that</th>
            </tr>
          </thead>
          <tbody>
            {known.map(({ level, result, at, parts, bytes, problems }) => (
              <tr key={at}>
                <th scope="row">{LEVELS[level]}</th>
                <td>
                  {result === 'ok' ? (
                    <Mark tone="good">ok</Mark>
                  ) : (
                    <Mark tone="bad">{plural(problems, 'problem')}</Mark>
                  )}
                </td>
                <td>
                  <Moment at={at} />
                </td>
                <td class="number">
                  {plural(parts, 'part')}, {formatBytes(bytes)}
                </td>
                <td>{result === 'ok' ? SHOWS[level] : AGAINST[result]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {drill?.drill && <Drilled report={drill.drill} />}
    </>
  )
}

const AGAINST = { damaged: 'not all of it can be restored', failed: 'it was restored, and what was asked did not pass' }

/** The newest drill: each table as it was restored, and each question. */
function Drilled({ report: { tables, checks, problems } }: { readonly report: NonNullable<Attestation['drill']> }) {
  return (
    <ul class="findings" aria-label="The last drill">
      {problems.map((problem) => (
        <li key={problem}>
          <Mark tone="bad">problem</Mark>
          <span>{problem}</span>
        </li>
      ))}
      {checks.map(({ sql, result, message }) => (
        <li key={sql}>
          <Mark tone={CHECKED[result]}>{result}</Mark>
          <span>
            <code>{sql}</code> {message}
          </span>
        </li>
      ))}
      {tables.map(({ table, rows, bytes, restoreSeconds, problems: found }) => (
        <li key={table}>
          <Mark tone={found.length === 0 ? 'good' : 'bad'}>{found.length === 0 ? 'restored' : 'problem'}</Mark>
          <span>
            <code>{table}</code> {plural(rows, 'row')}, {formatBytes(bytes)} in {formatSeconds(restoreSeconds)}
            {found.map((problem) => (
              <span class="hint" key={problem}>
                {problem}
              </span>
            ))}
          </span>
        </li>
      ))}
    </ul>
  )
}

const CHECKED = { ok: 'good', failed: 'bad', skipped: 'quiet' } as const
