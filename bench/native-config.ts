/** The engine's own BACKUP wants to be told where it may write. */
export function nativeConfig(backups: string): string {
  return `<clickhouse>
  <backups><allowed_path>${backups}</allowed_path></backups>
  <enable_system_unfreeze>true</enable_system_unfreeze>
</clickhouse>
`
}
