import { Option } from 'commander'

/** What Permafrost knows about a product that keeps its data in ClickHouse. */
export type Profile = 'posthog'

/** `--profile posthog` */
export function profileOption(does: string): Option {
  return new Option('--profile <name>', does).choices(['posthog'] satisfies Profile[])
}
