import { formatBytes } from '../../src/core/units.ts'
import { get } from '../api.ts'
import { useResource } from '../resource.ts'
import { Act } from './act.tsx'
import { start } from '../start.ts'
import { Loaded } from './loaded.tsx'
import { LongTable } from './long-table.tsx'
import { Moment } from './moment.tsx'

/** Backups that were forgotten and can be taken back. */
export function Forgotten() {
  const forgotten = useResource('forgotten', (signal) => get('/backups', { signal, query: { which: 'forgotten' } }))
  return (
    <Loaded resource={forgotten}>
      {({ backups }) =>
        backups.length === 0 ? (
          <p class="dim">No backup is forgotten.</p>
        ) : (
          <LongTable
            label="Forgotten backups"
            rows={backups.toReversed()}
            keyOf={({ id }) => id}
            columns={[
              { title: 'Backup', cell: ({ id }) => <code>{id}</code> },
              { title: 'Made', cell: (backup) => backup.outcome === 'read' && <Moment at={backup.started} /> },
              {
                title: 'Logical',
                number: true,
                cell: (backup) => backup.outcome === 'read' && formatBytes(backup.logical),
              },
              {
                title: 'Undo',
                cell: ({ id }) => (
                  <Act scope="admin" act={() => start({ kind: 'forget', backups: [id], undo: true })}>
                    Take back {id}
                  </Act>
                ),
              },
            ]}
          />
        )
      }
    </Loaded>
  )
}
