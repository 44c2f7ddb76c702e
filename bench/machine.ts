import { cpus } from 'node:os'

/** What was measured on. */
export const MACHINE = `${cpus().length} × ${cpus()[0]?.model ?? 'processor'}`
