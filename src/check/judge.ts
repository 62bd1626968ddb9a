import type { HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import type { CheckName } from '../model/check-report.ts'
import { printable } from '../model/path-bytes.ts'
import type { HostStatus, VaultDisk } from '../model/status-report.ts'
import { formatCount, formatDuration, formatSize } from '../model/units.ts'
import type { HostProbe } from '../remote/contract.ts'
import { formatAge } from '../report/format.ts'
import { percent } from '../sources/health.ts'
import { SFTP_ONLY } from '../runs/access.ts'

// What has been looked up is judged here, by data alone.

/** As of {@link Finding}, before it is known which check it belongs to. */
export interface Judged extends Pick<Finding, 'outcome' | 'message' | 'next'> {
  /** Where it belongs to another check than the one that found it. */
  readonly check?: CheckName
}

/** Bytes; with less not even a lock or a manifest is sure to be written. */
const NO_SPACE = 16 * 1024 ** 2

/** The server's programs. */
export function judgeTools(probe: HostProbe, { compression }: Pick<HostConfig, 'compression'>): Judged[] {
  if (probe.access === 'sftp')
    return [{ outcome: 'ok', message: `${SFTP_ONLY}; files can be pulled, and nothing put back` }]
  const { versions } = probe
  if (probe.tar === undefined)
    return [
      { outcome: 'failed', message: 'there is no tar', next: 'Install tar on the server: apt install tar' },
    ]
  const found: Judged[] = []
  const wanted = compression.kind === 'auto' ? 'zstd' : compression.kind
  const tools = { zstd: versions.zstd, gzip: versions.gzip ?? versions.pigz, none: 'none' }
  if (tools[wanted] === undefined)
    found.push({
      outcome: 'warning',
      message: `there is no ${wanted}: everything comes over the wire uncompressed`,
      next: `Install it on the server: apt install ${wanted}`,
    })
  if (probe.tar !== 'gnu' || !probe.findPrintf)
    found.push({
      outcome: 'warning',
      message: 'there is no GNU tar and find: each pull sends everything, and not only what changed',
      next: 'Install them on the server: apt install tar findutils (apk add tar findutils)',
    })
  if (found.length > 0) return found
  const names = ['tar', 'zstd', 'gzip', 'docker'] as const
  const there = names.flatMap((name) => (versions[name] === undefined ? [] : [`${name} ${versions[name]}`]))
  return [{ outcome: 'ok', message: there.join(', ') }]
}

/** Free space on a side; `need` is what the next operation there may take, where that is known. */
export function judgeSpace(
  where: string,
  free: number | undefined,
  need: { readonly bytes: number; readonly what: string } | undefined,
): Judged[] {
  if (free === undefined) return []
  const has = `${formatSize(free)} free ${where}`
  if (free < NO_SPACE) return [{ outcome: 'failed', message: `only ${has}`, next: `Free space ${where}.` }]
  if (need !== undefined && free < need.bytes)
    return [
      {
        outcome: 'warning',
        message: `only ${has}: ${need.what} takes ${formatSize(need.bytes)}`,
        next: `Free space ${where}.`,
      },
    ]
  return [{ outcome: 'ok', message: has }]
}

/** How full a file system is that some `where` has. */
export function judgeDisk(
  where: string,
  { used, free }: Pick<VaultDisk, 'used' | 'free'>,
  limit: number,
): Judged[] {
  if (used < limit) return []
  return [
    {
      outcome: 'warning',
      message: `the disk ${where} is ${percent(used)} full: ${formatSize(free)} free`,
      next: `Free space ${where}.`,
    },
  ]
}

/**
 * The server's clock.
 *
 * @param server ms since the epoch, of some moment between `before` and `after` here
 * @param most ms; beyond it a snapshot's time, and what depends on it, is not what people think it is
 */
export function judgeClock(server: number, before: number, after: number, most: number): Judged {
  const ahead = server - after
  const behind = before - server
  const off = Math.max(ahead, behind)
  if (off <= most) return { outcome: 'ok', message: "the server's clock agrees with this one" }
  return {
    outcome: 'warning',
    message: `the server's clock is ${formatDuration(off)} ${ahead > behind ? 'ahead of' : 'behind'} this machine's`,
    next: 'Set the wrong one right, best by NTP: timedatectl set-ntp true',
  }
}

/** Data and locks of ours on the server. */
export function judgeLeftovers(
  host: string,
  left: {
    readonly openJournals: readonly string[]
    readonly quiesced: readonly string[]
    readonly kept: readonly { readonly name: string; readonly bytes: number }[]
    /** Private directories of dead processes. */
    readonly left: readonly string[]
  },
): Judged[] {
  const found: Judged[] = []
  if (left.openJournals.length > 0)
    found.push({
      outcome: 'failed',
      message: `a restore is not settled: ${left.openJournals.join(', ')}; nothing is pulled before it is`,
      next: `Wait for it to end, or settle it with: relay-backup rollback --host ${host}`,
    })
  if (left.quiesced.length > 0)
    found.push({
      outcome: 'warning',
      message: 'services are stopped or paused: by a pull that runs, or by one that was cut off',
      next: `If none runs now, let them run again with: relay-backup pull ${host}`,
    })
  if (left.left.length > 0)
    found.push({
      outcome: 'warning',
      message: `a run that was cut off has left data in ${left.left.map(printable).join(', ')}`,
      next: `The next run removes it: relay-backup pull ${host}`,
    })
  if (found.length > 0) return found
  const restores = left.kept.filter(({ name }) => name.startsWith('restore-'))
  const bytes = restores.reduce((sum, one) => sum + one.bytes, 0)
  if (restores.length === 0) return [{ outcome: 'ok', message: 'nothing of ours is left there' }]
  return [
    {
      outcome: 'ok',
      message: `what ${formatCount(restores.length, 'restore')} replaced is kept, ${formatSize(bytes)}; rollback --discard removes it`,
    },
  ]
}

/** Of what `status` tells, what makes backups useless, as `failed`. */
const USELESS: ReadonlySet<string> = new Set(['damaged', 'set-back', 'unreadable'])

/** How the backups stand: the troubles that `status` has of the host, or else the newest good one. */
export function judgeBackup({ lastGood, troubles }: HostStatus): Judged[] {
  if (troubles.length > 0)
    return troubles.map(({ code, message, next }) => ({
      outcome: USELESS.has(code) ? 'failed' : 'warning',
      message,
      next,
    }))
  if (lastGood === undefined) return []
  return [{ outcome: 'ok', message: `${lastGood.snapshot}, ${formatAge(lastGood.ageMs)}` }]
}
