/**
 * Every key in a repository, in one place. Names are `[a-z0-9/._-]`, at most 200 characters, and never used twice, except
 * `format.json`.
 */
export const layout = {
  format: 'format.json',
  /** What restores without Permafrost. */
  recovery: ['README.txt', 'restore.py'] as readonly string[],
  keys: {
    prefix: 'keys/',
    slots: 'keys/slot-',
    slot: (id: string) => `keys/slot-${id}`,
    session: (sid: string) => `keys/${sid}`,
  },
  packs: { prefix: 'packs/', key: (id: string) => `packs/${id.slice(0, 2)}/${id}` },
  meta: { prefix: 'meta/', key: (id: string) => `meta/${id.slice(0, 2)}/${id}` },
  sessions: { prefix: 'sessions/', key: (sid: string, n: number) => `sessions/${sid}/${n}` },
  pending: { prefix: 'pending/', key: (announcement: string) => `pending/${announcement}` },
  backups: { prefix: 'backups/', key: (id: string) => `backups/${id}` },
  /** Of backups that servers made by themselves. */
  native: { prefix: 'native/', key: (id: string) => `native/${id}` },
  forgotten: { prefix: 'forgotten/', key: (backup: string, id: string) => `forgotten/${backup}.${id}` },
  condemned: { prefix: 'condemned/', key: (id: string) => `condemned/${id}` },
  revoked: { prefix: 'revoked/', key: (announcement: string) => `revoked/${announcement}` },
  pins: { prefix: 'pins/', key: (id: string) => `pins/${id}` },
  /** Where a store without writes that are whole at once keeps those under way. */
  unfinished: { prefix: 'tmp/' },
  /** What `doctor` learned of the store. */
  learned: { prefix: 'learned/', key: (id: string) => `learned/${id}` },
  /** Where `doctor` tries things. */
  scratch: { prefix: 'scratch/', of: (id: string) => `scratch/${id}/` },
  attest: {
    prefix: 'attest/',
    of: (backup: string) => `attest/${backup}/`,
    key: (backup: string, level: number, id: string) => `attest/${backup}/l${level}-${id}`,
  },
  operations: { prefix: 'operations/', key: (id: string, stage: 'begin' | 'end') => `operations/${id}/${stage}` },
  audit: { prefix: 'audit/', key: (id: string) => `audit/${id}` },
} as const

const PACK_KEY = /^(packs|meta)\/([0-9a-f]{2})\/(\2[0-9a-f]{62})$/

/** The SHA-256 in the key of a pack or meta pack; `undefined` for any other key. */
export function packIdOf(key: string): string | undefined {
  return PACK_KEY.exec(key)?.[3]
}

/** The last step of a key: a backup's id out of `backups/<id>`. */
export function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1)
}
