import { existsSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { PermafrostError } from '../../core/errors.ts'
import { formatBytes, MIB } from '../../core/units.ts'
import { makeKeyFile } from '../../repository/keys.ts'
import { initRepository, refuseOccupied } from '../../repository/repository.ts'
import type { Repository } from '../../repository/repository.ts'
import type { Suite } from '../../repository/seal.ts'
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
    .option('--like <url>', 'with the keys of another repository, so that copies between the two go as they are')
    .option('-n, --dry-run', 'show what would be made')
    .action((options: InitFlags, command) =>
      run(command, async (c) => {
        const storage = await c.storage()
        await refuseOccupied(storage)
        const like = options.like === undefined ? undefined : await ownedBy(c, options.like)
        const { location } = storage
        const plan = planOf(c, { location, plain: options.plain ?? false, like })
        if (options.dryRun) return c.output.answer({ plan }, () => [`Would make ${describePlan(plan)}`])
        c.output.say(`making ${describePlan(plan)}`)
        if (plan.makesKey && plan.key !== undefined) writeKeyFile(plan.key, makeKeyFile(randomBytes))
        const { format } = await initRepository(storage, {
          suite: plan.suite,
          secret: plan.suite === 'none' ? undefined : c.key()?.read(),
          packTarget: plan.packTarget,
          at: new Date(),
          random: randomBytes,
          keys: like?.keys,
        })
        const { suite, packTarget, key } = plan
        c.output.answer({ id: format.id, location, suite, packTarget, ...(plan.makesKey && { key }) }, () => [
          `Repository ${format.id} at ${describePlan(plan)}`,
          ...(plan.makesKey
            ? [`Its key is in ${key}. Without that file nobody can read the backups: keep a copy somewhere else.`]
            : []),
          like
            ? `  Next:  permafrost copy --all --to ${c.config().config.repository.url}`
            : '  Next:  permafrost doctor   then   permafrost backup',
        ])
      }),
    )
  addRepoInfo(repo, run)
  addRepoKey(repo, run)
}

interface InitFlags {
  readonly plain?: boolean
  readonly like?: string
  readonly dryRun?: boolean
}

/** What `repo init` will make. */
interface InitPlan {
  readonly location: string
  readonly suite: Suite
  readonly packTarget: number
  /** The key file, where it is one. */
  readonly key?: string
  readonly makesKey: boolean
}

function planOf(
  c: Composition,
  {
    location,
    plain,
    like,
  }: { readonly location: string; readonly plain: boolean; readonly like: Repository | undefined },
): InitPlan {
  const suite = like?.keys.suite ?? (plain ? 'none' : 'aes-256-gcm')
  const packTarget = like?.format.packTarget ?? PACK_TARGET
  if (suite === 'none') return { location, suite, packTarget, makesKey: false }
  const key = c.key()
  if (!key) {
    const hint = [
      'set repository.key to "${file:/etc/permafrost/key}", and the file is made',
      'or, without encryption:  permafrost repo init --plain',
    ]
    throw new PermafrostError('CONFIG_INVALID', 'no repository.key is configured', { hint })
  }
  const makesKey = key.file !== undefined && !existsSync(key.file)
  return { location, suite, packTarget, ...(key.file !== undefined && { key: key.file }), makesKey }
}

/** Only an owner has all the keys that another repository needs. */
async function ownedBy(c: Composition, url: string): Promise<Repository> {
  const repository = await c.repositoryAt(url, 'read')
  if (repository.keys.privateKey) return repository
  throw new PermafrostError('KEY_WRONG', `this key does not own the repository at ${repository.storage.location}`, {
    hint: 'use the key of the repository’s owner',
  })
}

function describePlan({ location, suite, packTarget, key, makesKey }: InitPlan): string {
  const sealed = suite === 'none' ? 'not encrypted' : suite
  const by = key === undefined ? '' : `, ${makesKey ? 'a new key' : 'the key'} in ${key}`
  return `${location}: ${sealed}, packs of ${formatBytes(packTarget)}${by}`
}
