import { z } from 'zod'
import { ERRORS } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'

// What the answers of several routes are made of. Lists are readonly, so that the operations' own values fit.

export function list<T extends z.ZodType>(item: T) {
  return z.array(item).readonly()
}

export const time = z.iso.datetime()
export const count = z.number().int().min(0)

/** What a person may type for a backup: an id, a prefix, `latest`, `latest@<host>`. */
export const backupName = z
  .string()
  .regex(/^[\w.@-]{1,300}$/, 'is no name of a backup')
  .describe('An id, a unique prefix, `latest` or `latest@<host>`.')

/** A `-t` pattern, and a `--partition` choice. */
export const pattern = z.string().min(1).max(1000)
export const patterns = list(pattern).describe('`db.table` with `*` and `?`; `!` in front leaves out.')

export const finding = z.object({
  severity: z.enum(['note', 'warning', 'incomplete', 'damage']),
  object: z.string(),
  message: z.string(),
  hint: z.string().optional(),
})

/** RFC 9457, from the one table of errors. */
export const problem = z.object({
  type: z.string().describe('`urn:permafrost:error:<code>`'),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('A sentence that names the thing.'),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  hint: list(z.string()).describe('What to do next.').optional(),
  facts: z.record(z.string(), z.unknown()).optional(),
})
export type Problem = z.infer<typeof problem>

export const SCOPES = ['read', 'operate', 'admin'] as const
/** What a token may do; each may do what those before it may. */
export type Scope = (typeof SCOPES)[number]
export const scope = z.enum(SCOPES)
