import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Composition } from './compose.ts'

/** Where disposable engines lie: as the flag says, else the configuration, else where the system keeps temporary files. */
export function scratchDirectory(c: Pick<Composition, 'config' | 'process'>, flag: string | undefined): string {
  if (flag !== undefined) return resolve(c.process.workingDirectory, flag)
  const { config, directory } = c.config()
  return config.drill.scratch === undefined
    ? join(tmpdir(), 'permafrost-scratch')
    : resolve(directory, config.drill.scratch)
}
