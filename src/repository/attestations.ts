import pLimit from 'p-limit'
import { z } from 'zod'
import { hasCode } from '../core/errors.ts'
import { layout, nameOf } from '../core/layout.ts'
import type { Random } from './marks.ts'
import { encodeRecord } from './records.ts'
import { readRecordIfThere } from './read-record.ts'
import type { Repository } from './repository.ts'

/** 1 inventory, 2 scrub, 3 content, 4 drill. */
export type Level = 1 | 2 | 3 | 4

/** What somebody checked, and what came of it: a record in the repository, so that it outlives whoever asked. */
export interface Attestation {
  readonly backup: string
  readonly level: Level
  readonly at: string
  /** The machine that checked. */
  readonly by: string
  readonly permafrost: string
  /** `failed`: a drill that did not pass, or did not get to its end, and found no wrong byte. */
  readonly result: 'ok' | 'damaged' | 'failed'
  /** Whether it was all of the backup, not a selection or a sample of it. */
  readonly whole: boolean
  readonly parts: number
  readonly bytes: number
  readonly seconds: number
  readonly problems: number
  /** Keys of packs that were found missing or wrong: no later backup points to them. */
  readonly bad: readonly string[]
  /** Of a drill: what came of each table and each check. */
  readonly drill?: DrillReport | undefined
}

export interface DrillReport {
  readonly tables: readonly DrilledTable[]
  readonly checks: readonly DrilledCheck[]
  /** What kept the drill from its end: no space, an engine that died. */
  readonly problems: readonly string[]
  /** Seconds that restoring took; without the checks. */
  readonly restoreSeconds: number
  /** Seconds that restoring the whole backup would take at this rate. */
  readonly estimate?: number | undefined
}

export interface DrilledTable {
  readonly table: string
  readonly parts: number
  readonly rows: number
  readonly bytes: number
  readonly restoreSeconds: number
  readonly checkSeconds: number
  /** Of all rows, in no order. */
  readonly hash?: string | undefined
  /** Whether it was all of the table. */
  readonly whole: boolean
  readonly problems: readonly string[]
}

export interface DrilledCheck {
  readonly sql: string
  readonly result: 'ok' | 'failed' | 'skipped'
  readonly message?: string | undefined
}

const drillSchema: z.ZodType<DrillReport> = z.looseObject({
  tables: z.array(
    z.looseObject({
      table: z.string(),
      parts: z.number(),
      rows: z.number(),
      bytes: z.number(),
      restoreSeconds: z.number(),
      checkSeconds: z.number(),
      hash: z.string().optional(),
      whole: z.boolean(),
      problems: z.array(z.string()),
    }),
  ),
  checks: z.array(
    z.looseObject({
      sql: z.string(),
      result: z.enum(['ok', 'failed', 'skipped']),
      message: z.string().optional(),
    }),
  ),
  problems: z.array(z.string()),
  restoreSeconds: z.number(),
  estimate: z.number().optional(),
})

const schema: z.ZodType<Attestation> = z.looseObject({
  backup: z.string(),
  level: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
  at: z.iso.datetime(),
  by: z.string(),
  permafrost: z.string(),
  result: z.enum(['ok', 'damaged', 'failed']),
  whole: z.boolean(),
  parts: z.number(),
  bytes: z.number(),
  seconds: z.number(),
  problems: z.number(),
  bad: z.array(z.string()),
  drill: drillSchema.optional(),
})

/** Write down what was checked. */
export async function attest({ storage, keys }: Repository, attestation: Attestation, random: Random): Promise<void> {
  const time = attestation.at.replaceAll(/[-:]|\.\d+/g, '').toLowerCase()
  const key = layout.attest.key(
    attestation.backup,
    attestation.level,
    `${time}-${Buffer.from(random(4)).toString('hex')}`,
  )
  const section = { name: 'attestation', reader: 'meta', value: attestation } as const
  await storage.put(key, encodeRecord({ kind: 'attestation', key }, [section], { keys, random }), { ifAbsent: true })
}

/** What is known of a backup. */
export interface Proof {
  /** The best that was shown of all of it, and that nothing later speaks against. */
  readonly proven?: Attestation | undefined
  /** Damage that was found, and that no later check of the same depth denies. */
  readonly damaged?: Attestation | undefined
  /** The newest drill, whatever came of it. */
  readonly drill?: Attestation | undefined
}

/** How many of the newest records of each level are looked at: a sample or two may lie above the last whole check. */
const LOOK_BACK = 3

/**
 * The proofs of backups, by id. A record that does not read proves nothing.
 *
 * @param options.known what was read before, by key: records never change. Added to
 */
export async function readProofs(
  repository: Repository,
  { known = new Map() }: { readonly known?: Map<string, Attestation | undefined> } = {},
): Promise<ReadonlyMap<string, Proof>> {
  const { storage } = repository
  const limit = pLimit(storage.traits.connections)
  const keys: string[] = []
  for await (const { key } of storage.list(layout.attest.prefix)) if (ATTESTATION.test(key)) keys.push(key)
  const newest = [...Map.groupBy(keys, levelOf).values()].flatMap((group) => group.sort().slice(-LOOK_BACK))
  const unknown = newest.filter((key) => !known.has(key))
  await Promise.all(unknown.map((key) => limit(async () => known.set(key, await readAttestation(repository, key)))))
  const found = newest.flatMap((key) => known.get(key) ?? [])
  return new Map([...Map.groupBy(found, ({ backup }) => backup)].map(([id, list]) => [id, judge(list)]))
}

/** The newest drills of the repository, of whatever backup, newest first. */
export async function readDrills(repository: Repository, most: number): Promise<readonly Attestation[]> {
  const keys: string[] = []
  for await (const { key } of repository.storage.list(layout.attest.prefix)) if (/\/l4-[^/]+$/.test(key)) keys.push(key)
  const newest = keys.sort((a, b) => (nameOf(a) < nameOf(b) ? 1 : -1)).slice(0, most)
  const limit = pLimit(repository.storage.traits.connections)
  const read = await Promise.all(newest.map((key) => limit(() => readAttestation(repository, key))))
  return read.filter((one) => one !== undefined)
}

/** Was all of it read back and found right, and nothing wrong since? */
export function isProven({ proven, damaged }: Proof): boolean {
  return proven !== undefined && proven.level >= 3 && damaged === undefined
}

const ATTESTATION = /^attest\/[^/]+\/l[1-4]-[^/]+$/

function levelOf(key: string): string {
  return key.slice(0, key.lastIndexOf('-', key.lastIndexOf('-') - 1))
}

function judge(list: readonly Attestation[]): Proof {
  const newestFirst = list.toSorted((a, b) => (a.at < b.at ? 1 : -1))
  const damaged = newestFirst.find(
    (bad, index) =>
      bad.result === 'damaged' &&
      !newestFirst.slice(0, index).some((later) => later.whole && later.result === 'ok' && later.level >= bad.level),
  )
  const proven = newestFirst
    .filter((one) => one.whole && one.result === 'ok')
    .toSorted((a, b) => b.level - a.level)
    .find((good) => !newestFirst.some((later) => later.at > good.at && (later === damaged || refutes(later, good))))
  const drill = newestFirst.find(({ level }) => level === 4)
  return { ...(proven && { proven }), ...(damaged && { damaged }), ...(drill && { drill }) }
}

/** A drill that fails says nothing against bytes, and all against a drill. */
function refutes(later: Attestation, { level }: Attestation): boolean {
  return later.result === 'failed' && level === 4
}

async function readAttestation(repository: Repository, key: string): Promise<Attestation | undefined> {
  const record = await readRecordIfThere(repository, { kind: 'attestation', key }).catch((error: unknown) => {
    if (!hasCode(error, 'DAMAGED')) throw error
  })
  const parsed = schema.safeParse(record?.get('attestation'))
  return parsed.success && key.includes(`/${parsed.data.backup}/`) && nameOf(key).startsWith(`l${parsed.data.level}-`)
    ? parsed.data
    : undefined
}
