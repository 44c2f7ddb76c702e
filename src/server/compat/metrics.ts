import type { Operation, OperationKind } from '../contract/operations.ts'
import { hasEnded } from '../jobs.ts'

const COMMANDS: Readonly<Record<string, OperationKind>> = {
  create: 'backup',
  create_remote: 'backup',
  upload: 'backup',
  restore: 'restore',
  restore_remote: 'restore',
  download: 'restore',
  delete: 'forget',
}

/** The metrics of clickhouse-backup under its names and in its units, so that dashboards and alerts go on working. */
export function compatMetrics(operations: readonly Operation[], backups: number): string {
  const lines = Object.entries(COMMANDS).flatMap(([command, kind]) => {
    const ended = operations.filter((one) => one.kind === kind && hasEnded(one))
    const good = ended.filter(isGood).length
    const [last] = ended
    const start = seconds(last?.started ?? last?.queued)
    const finish = seconds(last?.finished)
    return [
      ...metric(`successful_${command}s`, 'counter', good),
      ...metric(`failed_${command}s`, 'counter', ended.length - good),
      ...metric(`last_${command}_start`, 'gauge', start),
      ...metric(`last_${command}_finish`, 'gauge', finish),
      // Nanoseconds: theirs.
      ...metric(`last_${command}_duration`, 'gauge', Math.round((finish - start) * 1e9)),
      // 0 failed, 1 it worked, 2 nobody knows.
      ...metric(`last_${command}_status`, 'gauge', last ? Number(isGood(last)) : 2),
    ]
  })
  const running = operations.filter((one) => !hasEnded(one)).length
  return [
    ...lines,
    ...metric('number_backups_remote', 'gauge', backups),
    ...metric('number_backups_local', 'gauge', 0),
    ...metric('in_progress_commands', 'gauge', running),
    '',
  ].join('\n')
}

function metric(name: string, type: 'counter' | 'gauge', value: number): readonly string[] {
  const full = `clickhouse_backup_${name}`
  return [`# TYPE ${full} ${type}`, `${full} ${value}`]
}

function isGood({ state }: Operation): boolean {
  return state === 'ok' || state === 'incomplete'
}

function seconds(time: string | undefined): number {
  return time === undefined ? 0 : Date.parse(time) / 1000
}
