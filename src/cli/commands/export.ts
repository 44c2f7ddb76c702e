import { plural } from '../../core/units.ts'
import type { AddCommand } from '../command.ts'
import { findLocal } from '../find-local.ts'

/** `permafrost export <snapshot> <directory>` */
export const addExport: AddCommand = (program, run) => {
  const self = program
    .command('export <snapshot> <directory>')
    .summary('write a local snapshot as a plain tree')
    .description(
      'Write a local snapshot as a plain tree: CREATE statements, and parts as hard links, for rsync -aH and a restore by hand.',
    )
    .action((name: string, directory: string) =>
      run(self, async (c) => {
        const { exportLocal } = await import('../../operations/export-local.ts')
        const snapshot = await findLocal(c, name)
        const exported = await exportLocal({ ...c.base(), engine: await c.engine() }, snapshot, directory)
        c.output.answer(exported, () => [
          `Exported ${plural(exported.tables, 'table')}, ${plural(exported.parts, 'part')} to ${exported.directory}`,
          `  Copy it elsewhere:  rsync -aH ${exported.directory}/ <host>:<directory>/`,
        ])
      }),
    )
}
