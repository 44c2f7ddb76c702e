import type { Command } from 'commander'
import { formatBytes, plural } from '../../core/units.ts'
import type { RepositoryInfo } from '../../operations/repo-info.ts'
import type { Run } from '../command.ts'

/** `permafrost repo info` */
export function addRepoInfo(repo: Command, run: Run): void {
  repo
    .command('info')
    .summary('what it holds, and how it grows')
    .action((_options, command: Command) =>
      run(command, async (c) => {
        const { repositoryInfo } = await import('../../operations/repo-info.ts')
        const info = await repositoryInfo(await c.repository('read'), c.base().clock())
        c.output.answer(info, () => describe(info))
      }),
    )
}

function describe(info: RepositoryInfo): readonly string[] {
  const encrypted = info.suite === 'none' ? 'not encrypted' : info.suite
  return [
    `Repository ${info.id} at ${info.location}`,
    `  made      ${info.created}, ${encrypted}, packs of ${formatBytes(info.packTarget)}`,
    `  backups   ${info.backups}${info.hosts.length > 0 ? ` of ${info.hosts.join(', ')}` : ''}${info.oldest ? `, from ${info.oldest} to ${info.newest}` : ''}`,
    `  holds     ${formatBytes(info.logical)} in ${formatBytes(info.packBytes + info.metaBytes)}: each stored byte is used ${info.dedup.toFixed(1)} times`,
    `  packs     ${plural(info.packs, 'pack')}, ${formatBytes(info.packBytes)}; ${plural(info.metaPacks, 'meta pack')}, ${formatBytes(info.metaBytes)}`,
    `  dead      ${formatBytes(info.deadBytes)} that no backup reaches${info.deadBytes > 0 ? ':  permafrost prune' : ''}`,
    ...Object.entries(info.growth).map(([month, bytes]) => `  ${month}   + ${formatBytes(bytes)}`),
  ]
}
