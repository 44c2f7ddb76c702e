import { existsSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { PermafrostError } from '../../core/errors.ts'
import { formatBytes, MIB } from '../../core/units.ts'
import { makeKeyFile } from '../../repository/keys.ts'
import { initRepository } from '../../repository/repository.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { writeKeyFile } from '../write-key-file.ts'
import { addRepoInfo } from './repo-info.ts'
import { addRepoKey } from './repo-key.ts'

const PACK_TARGET = 64 * MIB

/** `permafrost repo init` */
export const addRepo: AddCommand = (program, run) => {
  const repo = program
    .command('repo')
    .summary('the repository and its keys')
    .description('Make and look after the repository.')
  repo
    .command('init')
    .summary('make a repository')
    .description(
      'Make a repository at repository.url. It is encrypted with repository.key; a key file that is not there yet is made.',
    )
    .option('--plain', 'without encryption: whoever can read the location can read the data')
    .action((options: { readonly plain?: boolean }, command) =>
      run(command, async (c) => {
        const storage = await c.storage()
        const made = options.plain ? undefined : makeMissingKey(c)
        const secret = options.plain ? undefined : c.key()?.read()
        const suite = options.plain ? 'none' : 'aes-256-gcm'
        const { format } = await initRepository(storage, {
          suite,
          secret,
          packTarget: PACK_TARGET,
          at: new Date(),
          random: randomBytes,
        })
        c.output.answer(
          {
            id: format.id,
            location: storage.location,
            suite,
            packTarget: format.packTarget,
            ...(made && { key: made }),
          },
          () => [
            `Repository ${format.id} at ${storage.location}: ${suite === 'none' ? 'not encrypted' : suite}, packs of ${formatBytes(format.packTarget)}`,
            ...(made
              ? [`Its key is in ${made}. Without that file nobody can read the backups: keep a copy somewhere else.`]
              : []),
            '  Next:  permafrost doctor   then   permafrost backup',
          ],
        )
      }),
    )
  addRepoInfo(repo, run)
  addRepoKey(repo, run)
}

/** A key file that the configuration names and that is not there yet. */
function makeMissingKey(c: Composition): string | undefined {
  const key = c.key()
  if (!key) {
    const hint = [
      'set repository.key to "${file:/etc/permafrost/key}", and the file is made',
      'or, without encryption:  permafrost repo init --plain',
    ]
    throw new PermafrostError('CONFIG_INVALID', 'no repository.key is configured', { hint })
  }
  if (key.file === undefined || existsSync(key.file)) return undefined
  writeKeyFile(key.file, makeKeyFile(randomBytes))
  return key.file
}
