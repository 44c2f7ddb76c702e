/**
 * Who froze: enough to tell, from the name of a shadow directory alone, whether its maker still runs. So a killed run is
 * cleaned up by the next one without a lock file, and nobody touches the freeze of a process that is alive.
 */
export interface Freezer {
  /** Short hash of the machine and its process namespace. */
  readonly host: string
  /** Short hash of the boot: after a reboot every process of before is gone. */
  readonly boot: string
  readonly pid: number
  /** When the process started, in the kernel's clock ticks: a pid that was given out again has another. */
  readonly started: number
}

const NAME = /^permafrost_([0-9a-f]{8})_([0-9a-f]{8})_(\d+)_(\d+)_[0-9a-f]{8}(?:_r\d+)?$/

/** A name for one freeze. ClickHouse escapes other characters than `[A-Za-z0-9_]` in it, so it has no others. */
export function makeFreezeName({ host, boot, pid, started }: Freezer, random: (size: number) => Uint8Array): string {
  return `permafrost_${host}_${boot}_${pid}_${started}_${Buffer.from(random(4)).toString('hex')}`
}

/** Whose freeze this is; `undefined` when it is none of ours, and so none of our business. */
export function parseFreezeName(name: string): Freezer | undefined {
  const [, host, boot, pid, started] = NAME.exec(name) ?? []
  return host && boot ? { host, boot, pid: Number(pid), started: Number(started) } : undefined
}
