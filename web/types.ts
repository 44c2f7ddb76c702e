import type { z } from 'zod'
import type { AnswerOf } from '../src/server/contract/routes.ts'
import type { logEntry } from '../src/server/contract/operations.ts'
import type { queryLine } from '../src/server/contract/agent.ts'

// What the agent answers, by short names. All of it follows from the contract.

export type Status = AnswerOf<'status'>
export type Day = Status['days'][number]
export type Backup = AnswerOf<'backups'>['backups'][number]
export type ReadBackup = Extract<Backup, { readonly outcome: 'read' }>
export type ShownBackup = AnswerOf<'backup'>
export type Table = ShownBackup['tables'][number]
export type Partition = NonNullable<Table['partitions']>[number]
export type Attestation = NonNullable<ShownBackup['proven']>
export type Finding = ShownBackup['findings'][number]
export type Diff = AnswerOf<'diff'>
export type Operation = AnswerOf<'operation'>['operation']
export type OperationState = Operation['state']
export type Schedule = AnswerOf<'schedule'>
export type Check = AnswerOf<'doctor'>['checks'][number]
export type LogEntry = z.infer<typeof logEntry>
export type QueryLine = z.infer<typeof queryLine>
export type Plan<K extends AnswerOf<'plan'>['kind']> = Extract<AnswerOf<'plan'>, { readonly kind: K }>
export type { Scope } from '../src/server/contract/shapes.ts'
export type { OperationRequest } from '../src/server/contract/operations.ts'
