import type { Privilege, RemoteHost } from '../../remote/contract.ts'
import { scriptFailure } from './failure.ts'
import { decodeField, fieldLines } from '../../model/talk.ts'

export type TargetType = 'absent' | 'file' | 'directory' | 'symlink' | 'other'

/** A process that uses a target. */
export interface PathUser {
  readonly pid: number
  /** As the kernel has it: 15 bytes at most, control characters as blanks. Not to be trusted. */
  readonly name: string
}

/** What lies at a restore's target now. */
export interface TargetLook {
  /** As asked for. */
  readonly asked: string
  /** The same with the symlinks in its ancestors resolved; a symlink at its end is not followed. */
  readonly path: string
  readonly type: TargetType
  /** A directory with nothing in it. */
  readonly empty: boolean
  readonly mountPoint: boolean
  /** Another file system is mounted somewhere below it. */
  readonly mountsInside: boolean
  /** st_dev of it, or of its nearest ancestor that is there. */
  readonly device: string
  /** How many of its ancestors are not there. */
  readonly missingAncestors: number
  /** It can be renamed into the deployment's `.relay-backup/`. */
  readonly nearDeployment: boolean
  /** Absent when it is not there. */
  readonly owner: { readonly uid: number; readonly gid: number; readonly mode: number } | undefined
  /** Bytes on the disk. */
  readonly bytes: number
  /** False: parts of it could not be read, so `bytes` is too small. */
  readonly readable: boolean
  readonly writable: boolean
  /** Of its nearest ancestor that is there. */
  readonly parentWritable: boolean
  /** Bytes free for us on its file system, where known. */
  readonly freeBytes: number | undefined
  readonly users: readonly PathUser[]
}

/** What a restore must know of the server before it begins. */
export interface ServerLook {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly string[]
  /** `sudo -n` works. */
  readonly sudo: boolean
  /** The process of a restore that runs in this deployment. */
  readonly lockedBy: number | undefined
  /** Restores whose journal is open. */
  readonly openRestores: readonly string[]
  readonly deployment: {
    /** Symlinks resolved. */
    readonly path: string
    readonly type: TargetType
    readonly freeBytes: number | undefined
  }
  /** In the order asked for. */
  readonly targets: readonly TargetLook[]
}

/**
 * Looks at all targets in one round trip; changes nothing. Paths are absolute. Without root, `users` names only
 * processes of the same user. Throws RemoteError.
 */
export async function lookAtTargets(
  host: RemoteHost,
  options: {
    readonly deployment: string
    readonly targets: readonly string[]
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<ServerLook> {
  const result = await host.run(
    {
      script: 'restore/look',
      patience: 'work',
      args: [options.deployment, ...options.targets],
      privilege: options.privilege,
      title: 'looking at the targets',
    },
    { signal: options.signal },
  )
  const look = result.status === 0 ? parseLook(result.stdout, options.targets) : undefined
  if (look === undefined) throw scriptFailure(host, 'looking at the targets', result)
  return look
}

/** Reads what `restore/look` prints; undefined when it is not whole. */
export function parseLook(stdout: Buffer, asked: readonly string[]): ServerLook | undefined {
  const lines = fieldLines(stdout)
  const one = (verb: string): readonly string[] | undefined => lines.find((line) => line[0] === verb)
  const [, uid, gid, groups] = one('me') ?? []
  const [, deploymentType, deploymentFree, deploymentPath] = one('deployment') ?? []
  const lock = one('lock')?.[1]
  const targets = asked.map((path, at) => parseTarget(lines, path, String(at + 1)))
  if (uid === undefined || deploymentPath === undefined || targets.includes(undefined)) return undefined
  return {
    uid: Number(uid),
    gid: Number(gid),
    groups: (groups ?? '').split(' ').filter((group) => group !== ''),
    sudo: one('sudo')?.[1] === 'yes',
    lockedBy: lock === undefined || lock === '-' ? undefined : Number(lock),
    openRestores: lines.flatMap((line) => (line[0] === 'open' && line[1] !== undefined ? [line[1]] : [])),
    deployment: {
      path: decodeField(deploymentPath).toString('utf8'),
      type: deploymentType as TargetType,
      freeBytes: kibibytes(deploymentFree),
    },
    targets: targets.filter((target) => target !== undefined),
  }
}

function parseTarget(
  lines: readonly (readonly string[])[],
  asked: string,
  number: string,
): TargetLook | undefined {
  const fields = lines.find((line) => line[0] === 'target' && line[1] === number)
  const [, , type, mount, inside, device, missing, same, uid, gid, mode] = fields ?? []
  const [kib, whole, writable, parentWritable, free, path] = fields?.slice(11) ?? []
  if (path === undefined || device === undefined) return undefined
  return {
    asked,
    path: decodeField(path).toString('utf8'),
    type: type as TargetType,
    empty: lines.some((line) => line[0] === 'empty' && line[1] === number),
    mountPoint: mount === 'yes',
    mountsInside: inside === 'yes',
    device,
    missingAncestors: Number(missing),
    nearDeployment: same === 'yes',
    owner:
      uid === undefined || uid === '-'
        ? undefined
        : { uid: Number(uid), gid: Number(gid), mode: Number.parseInt(mode ?? '0', 8) },
    bytes: kibibytes(kib) ?? 0,
    readable: whole === 'yes',
    writable: writable === 'yes',
    parentWritable: parentWritable === 'yes',
    freeBytes: kibibytes(free),
    users: lines
      .filter((line) => line[0] === 'user' && line[1] === number)
      .map((line) => ({ pid: Number(line[2]), name: line[3] ?? '?' })),
  }
}

function kibibytes(text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text) * 1024
}
