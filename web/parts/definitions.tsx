import type { ShownBackup } from '../types.ts'

/** What holds no rows of its own, and is restored as well. */
export function Definitions({ definitions }: Pick<ShownBackup, 'definitions'>) {
  return (
    <div class="table-frame">
      <table aria-label="Definitions">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Kind</th>
          </tr>
        </thead>
        <tbody>
          {definitions.map(({ kind, name }) => (
            <tr key={`${kind} ${name}`}>
              <th scope="row">
                <code>{name}</code>
              </th>
              <td>{kind}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
