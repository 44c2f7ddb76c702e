import pLimit from 'p-limit'
import { isBackupId } from '../core/backup-id.ts'
import { layout, nameOf } from '../core/layout.ts'
import { SESSION_TTL } from '../core/safety.ts'
import { readReach } from './backups.ts'
import type { BackupReach } from './backups.ts'
import { readForgotten } from './forgotten.ts'
import { readSessions } from './journal.ts'
import type { RunningSession } from './journal.ts'
import { readAnnouncements, readPins } from './marks.ts'
import type { Announcement, Pin } from './marks.ts'
import type { Reachable } from './reachable.ts'
import type { Repository } from './repository.ts'

// The collector's looks. Each lists and reads in the order that the protocol asks for, and throws rather than see less than
// there is.

/** What is about to be reached, kept on purpose, or being written. */
export interface Announced {
  readonly keys: ReadonlySet<string>
  readonly announcements: readonly Announcement[]
  readonly pins: readonly Pin[]
  readonly sessions: readonly RunningSession[]
}

export async function readAnnounced(
  repository: Repository,
  { reach, now }: { readonly reach: Reachable; readonly now: Date },
): Promise<Announced> {
  // Announcements before pins: one goes only after its pin is there.
  const announcements = await readAnnouncements(repository)
  const pins = await readPins(repository)
  const sessions = await readSessions(repository)
  const held = [...announcements, ...pins.filter(({ until }) => Date.parse(until) > now.getTime())]
  const keys = new Set<string>()
  for (const { blocks, backup } of held) {
    for (const key of (await reach.from(blocks)).keys()) keys.add(key)
    if (backup !== undefined) keys.add(layout.backups.key(backup))
  }
  for (const session of sessions) if (isRunning(session, now)) for (const key of session.packs) keys.add(key)
  return { keys, announcements, pins, sessions }
}

/** Has it been heard of lately? */
export function isRunning({ at }: { readonly at: Date }, now: Date): boolean {
  return now.getTime() - at.getTime() < SESSION_TTL * 1000
}

/** The backups that stay, and what they reach. */
export interface LiveBackups {
  readonly keys: ReadonlySet<string>
  /** Every backup whose record is there. */
  readonly ids: readonly string[]
  /** Those that are forgotten for good, with their marks. */
  readonly gone: ReadonlyMap<string, readonly string[]>
  /** Marks of backups whose records have gone already. */
  readonly leftMarks: readonly string[]
  /** Every id that somebody forgot, for good or not yet. */
  readonly forgotten: ReadonlySet<string>
}

/** Reads the records of backups once, and remembers: they never change. */
export function liveBackups(
  repository: Repository,
  { reach, now }: { readonly reach: Reachable; readonly now: Date },
): { look(): Promise<LiveBackups>; reachOf(id: string): Promise<BackupReach | undefined> } {
  const known = new Map<string, BackupReach>()
  const reachOf = async (id: string): Promise<BackupReach | undefined> => {
    const found = known.get(id) ?? (await readReach(repository, id))
    if (found) known.set(id, found)
    return found
  }
  const look = async (): Promise<LiveBackups> => {
    // Marks before records: a record goes before its mark, so what has lost its mark has lost its record, too.
    const marks = await readForgotten(repository)
    const ids: string[] = []
    for await (const { key } of repository.storage.list(layout.backups.prefix))
      if (isBackupId(nameOf(key))) ids.push(nameOf(key))
    const isGone = (id: string) => (marks.get(id) ?? []).some(({ notBefore }) => Date.parse(notBefore) <= now.getTime())
    const limit = pLimit(repository.storage.traits.connections)
    const stay = ids.filter((id) => !isGone(id))
    const reaches = await Promise.all(stay.map((id) => limit(() => reachOf(id))))
    const keys = new Set(stay.map(layout.backups.key))
    for (const key of (await reach.from(reaches.flatMap((found) => found?.blocks ?? []))).keys()) keys.add(key)
    const there = new Set(ids)
    const markKeys = (id: string) => (marks.get(id) ?? []).map(({ key }) => key)
    return {
      keys,
      ids,
      gone: new Map(ids.filter(isGone).map((id) => [id, markKeys(id)])),
      leftMarks: [...marks.keys()].filter((id) => !there.has(id)).flatMap(markKeys),
      forgotten: new Set(marks.keys()),
    }
  }
  return { look, reachOf }
}
