import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { Option } from 'commander'
import { PermafrostError } from '../../core/errors.ts'
import { makeKeyFile, ROLES } from '../../repository/keys.ts'
import type { Role } from '../../repository/keys.ts'
import { openRepository } from '../../repository/repository.ts'
import type { Repository } from '../../repository/repository.ts'
import { listSlots, putSlot, removeSlot } from '../../repository/slots.ts'
import type { ListedSlot } from '../../repository/slots.ts'
import type { Run } from '../command.ts'
import type { Composition } from '../compose.ts'
import { table } from '../output.ts'
import { writeKeyFile } from '../write-key-file.ts'

interface AddOptions {
  readonly role: Role
  readonly label: string
  readonly to?: string
  readonly passphrase?: boolean
}

/** `permafrost repo key …` */
export function addRepoKey(repo: Command, run: Run): void {
  const key = repo.command('key').summary('who may open it').description('Keys of the repository: who may do what.')
  key
    .command('list')
    .summary('list the keys')
    .action((_options, self: Command) =>
      run(self, async (c) => {
        const repository = await encrypted(c)
        const slots = await listSlots(repository.storage)
        c.output.answer(
          slots.map(({ id, info }) => ({ id, ...info, kdf: info.kdf.name, inUse: id === repository.slot })),
          () =>
            table(
              c.output,
              ['ID', 'ROLE', 'LABEL', 'KIND', 'CREATED', ''].map((title) => ({ title })),
              slots.map(({ id, info }) => [
                id,
                info.role,
                info.label,
                kindOf(info.kdf.name),
                info.created,
                id === repository.slot ? 'in use' : '',
              ]),
            ),
        )
      }),
    )
  key
    .command('add')
    .summary('give a key to somebody')
    .description(
      'Make a key: for an owner, for an agent that backs up and cannot read the data, or for a collector that prunes and knows no names.',
    )
    .addOption(new Option('--role <role>', 'owner, agent or collector').choices(ROLES).default('owner'))
    .option('--label <text>', 'whose it is', '')
    .option('--to <file>', 'the key file to make')
    .option('--passphrase', 'instead of a key file: a passphrase, from standard input')
    .action((options: AddOptions, self: Command) =>
      run(self, async (c) => {
        const repository = await encrypted(c)
        requireHeld(repository, options.role)
        const secret = secretFor(options)
        const id = await addSlot(c, repository, { ...options, secret })
        c.output.answer({ id, role: options.role, ...(options.to && { file: options.to }) }, () => [
          `Key ${id}: ${options.role}${options.to ? `, in ${options.to}` : ''}`,
        ])
      }),
    )
  key
    .command('remove <id>')
    .summary('take a key away')
    .description(
      'Remove a key. Who copied the keys of the repository while holding it still has them: this locks the door, and does not take back what left.',
    )
    .action((name: string, _options, self: Command) =>
      run(self, async (c) => {
        const repository = await encrypted(c)
        const { id } = await removable(repository, name)
        await removeSlot(repository.storage, id)
        c.output.answer({ removed: id }, () => [`Key ${id} opens the repository no more`])
      }),
    )
  key
    .command('rotate')
    .summary('exchange the key in use for a new one')
    .requiredOption('--to <file>', 'the key file to make')
    .action(({ to }: { readonly to: string }, self: Command) =>
      run(self, async (c) => {
        const repository = await encrypted(c)
        const slots = await listSlots(repository.storage)
        const old = slots.find(({ id }) => id === repository.slot)
        if (!old) throw new PermafrostError('NOT_FOUND', 'the key in use is not in the repository any more')
        const secret = makeKeyFile(randomBytes)
        writeKeyFile(to, secret)
        const id = await addSlot(c, repository, { ...old.info, secret })
        await removeSlot(repository.storage, old.id)
        c.output.answer({ id, removed: old.id, file: to }, () => [
          `Key ${id}, in ${to}, takes the place of ${old.id}`,
          '  Next: let repository.key in the configuration name the new file',
        ])
      }),
    )
  key
    .command('export')
    .summary('make a recovery kit to print and to lock away')
    .requiredOption('--to <file>', 'the file to make')
    .action(({ to }: { readonly to: string }, self: Command) =>
      run(self, async (c) => {
        const repository = await encrypted(c)
        requireHeld(repository, 'owner')
        const line = makeKeyFile(randomBytes)
        writeKeyFile(to, kit(repository, line, c.base().clock()))
        // Read back from the file itself: a kit that does not open is none.
        const secret = readFileSync(to, 'utf8')
        const id = await addSlot(c, repository, { role: 'owner', label: 'recovery kit', secret })
        c.output.answer({ id, file: to }, () => [
          `Recovery kit in ${to}, read back and tried. Keep it away from this machine.`,
        ])
      }),
    )
}

async function encrypted(c: Composition): Promise<Repository> {
  const repository = await c.repository('read')
  if (repository.slot !== undefined) return repository
  throw new PermafrostError(
    'USAGE',
    `the repository at ${repository.storage.location} is not encrypted: it has no keys`,
  )
}

function requireHeld({ keys }: Repository, role: Role): void {
  const isHeld = role === 'collector' || (keys.meta.length > 0 && (role === 'agent' || keys.privateKey !== undefined))
  if (isHeld) return
  throw new PermafrostError(
    'KEY_WRONG',
    `the key in use cannot make a key for an ${role}: it does not hold that much itself`,
    {
      hint: 'use the key of an owner',
    },
  )
}

function secretFor({ to, passphrase }: AddOptions): string {
  if ((to === undefined) === !passphrase)
    throw new PermafrostError('USAGE', 'say where the key goes', {
      hint: ['--to /path/of/new/key', 'or --passphrase < file'],
    })
  if (to !== undefined) {
    const secret = makeKeyFile(randomBytes)
    writeKeyFile(to, secret)
    return secret
  }
  const secret = readFileSync(0, 'utf8').trim()
  if (secret.length >= 12) return secret
  throw new PermafrostError('USAGE', 'the passphrase is shorter than 12 characters')
}

/** Add a slot, and open the repository with it before anybody relies on it. */
async function addSlot(
  c: Composition,
  { storage, keys }: Repository,
  { secret, role, label }: { readonly secret: string; readonly role: Role; readonly label: string },
): Promise<string> {
  const id = await putSlot(storage, { keys, owner: { secret, role, label, created: c.base().clock() } }, randomBytes)
  await openRepository(storage, { secret, purpose: 'read' })
  return id
}

async function removable({ storage, slot }: Repository, name: string): Promise<ListedSlot> {
  const slots = await listSlots(storage)
  const [found, another] = slots.filter(({ id }) => name.length >= 4 && id.startsWith(name))
  if (!found || another)
    throw new PermafrostError('NOT_FOUND', another ? `${name} fits several keys` : `no key ${name}`, {
      hint: 'permafrost repo key list',
    })
  if (found.id === slot)
    throw new PermafrostError('CONFLICT', `key ${found.id} is the one in use`, {
      hint: 'permafrost repo key rotate --to <file>',
    })
  const owners = slots.filter(({ id, info }) => id !== found.id && info.role === 'owner')
  if (owners.length > 0) return found
  throw new PermafrostError(
    'CONFLICT',
    `key ${found.id} is the last of an owner: nobody could read the backups any more`,
    {
      hint: 'permafrost repo key add --to <file>',
    },
  )
}

function kindOf(kdf: string): string {
  return kdf === 'scrypt' ? 'passphrase' : 'key file'
}

function kit({ format, storage }: Repository, line: string, now: Date): string {
  return `Recovery kit of the Permafrost repository ${format.id}
at ${storage.location}, made ${now.toISOString()}.

Whoever has this page can read every backup in that repository.
To use it: put this text, or its one line that begins with "permafrost-key-1:",
into a file, and let repository.key in the configuration name that file:

    repository: { url: "...", key: "\${file:/path/of/that/file}" }

Or, without Permafrost:  python3 restore.py --key FILE list   (in the repository)

${line}`
}
