import type { PackedMember, TarEntry } from '../../archive/contract.ts'
import { RemoteFileError, SourceError } from '../../errors.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import { latin1, printable } from '../../model/path-bytes.ts'
import type { RemoteFiles } from '../../remote/contract.ts'
import { chooseCompression } from '../compression-choice.ts'
import type { CaptureContext, PullContext } from '../contract.ts'
import { ahead } from './ahead.ts'
import { refuseRoots } from '../tree/failures.ts'
import { LeftOut } from '../tree/left-out.ts'
import { NOTHING_SAID, passOf } from '../tree/pass.ts'
import type { Packer, Pass } from '../tree/pass.ts'
import type { Root } from '../tree/roots.ts'
import { readOpened } from './sftp-read.ts'
import { findMembers, unrepresentable, walkRoots } from './sftp-walk.ts'
import type { Found, WalkOptions } from './sftp-walk.ts'

/** Members that are prepared before their turn; at 64 KiB of content each at most 4 MiB. */
const AHEAD = 64

/**
 * Packs over SFTP, for servers without a shell: walked and read from here, packed here. What SFTP does not tell is
 * lost: hard links (they come as files of their own), extended attributes, owner names, fractions of a second.
 */
export function sftpPacker(
  context: CaptureContext & Pick<PullContext, 'packTar'>,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
): Packer {
  const { store, level } = chooseCompression(context.compression, context.probe)
  return {
    compression: level === undefined ? { wire: 'none', store } : { wire: 'none', store, level },
    concatenated: false,
    lacks: {
      code: 'sftp-only',
      message:
        'read over SFTP: hard links are separate files, times are whole seconds, extended attributes and owner names are missing',
    },
    all: () =>
      Promise.resolve(sftpPass(context, roots, { filter, leftOut }, (walk) => walkRoots(roots, walk))),
    again: (members) =>
      Promise.resolve(
        sftpPass(context, roots, { filter, leftOut: new LeftOut() }, (walk) =>
          findMembers(members, roots, walk),
        ),
      ),
  }
}

function sftpPass(
  context: CaptureContext & Pick<PullContext, 'packTar'>,
  roots: readonly Root[],
  { filter, leftOut }: { readonly filter: PathFilter; readonly leftOut: LeftOut },
  find: (walk: WalkOptions) => AsyncIterable<Found>,
): Pass {
  const findings = { vanished: [] as string[], leftOut }
  const changed: string[] = []
  const stop = new AbortController()
  let failure: unknown

  const refuse = async (error: RemoteFileError, member: string): Promise<void> => {
    if (error.problem !== 'denied') throw failed(error, member)
    await refuseRoots(context, roots, [latin1(member)])
    leftOut.unreadable.add(latin1(member))
  }

  async function* members(): AsyncGenerator<PackedMember> {
    try {
      await using files = await context.host.openFiles(AbortSignal.any([context.signal, stop.signal]))
      const walk: WalkOptions = {
        files,
        deployment: context.probe.deployment ?? '/',
        isExcluded: (member, isDirectory) => filter.excludes(member, isDirectory),
        findings,
        refuse,
      }
      for await (const member of ahead(find(walk), AHEAD, (found) => prepare(files, found))) {
        if (member !== undefined) yield member
      }
    } catch (error) {
      failure = error
      throw error
    }
  }

  /** Undefined when it vanished meanwhile. */
  async function prepare(files: RemoteFiles, found: Found): Promise<PackedMember | undefined> {
    try {
      if (found.stat.type === 'file') return await prepareFile(files, found)
      if (found.stat.type !== 'symlink') return { entry: entryOf(found) }
      const target = await files.readlink(found.path)
      if (target.includes('\ufffd')) throw unrepresentable(`${found.member} → ${target}`)
      return { entry: { ...entryOf(found), linkPath: Buffer.from(target) } }
    } catch (error) {
      if (!(error instanceof RemoteFileError)) throw error
      if (error.problem === 'missing') findings.vanished.push(latin1(found.member))
      else await refuse(error, found.member)
      return undefined
    }
  }

  async function prepareFile(files: RemoteFiles, found: Found): Promise<PackedMember | undefined> {
    const opened = await readOpened(await files.open(found.path), found.stat.size)
    // Something else took its place since it was listed.
    if (opened.stat.type !== 'file') {
      findings.vanished.push(latin1(found.member))
      return undefined
    }
    return { entry: entryOf({ ...found, stat: opened.stat }), content: content() }

    async function* content(): AsyncGenerator<Buffer> {
      try {
        yield* opened.content()
      } catch (error) {
        throw error instanceof RemoteFileError ? failed(error, found.member) : error
      }
      if (opened.changed) changed.push(latin1(found.member))
    }
  }

  return passOf(context.packTar(members()), {
    stop: () => stop.abort(),
    failure: () => failure,
    report: () => ({ ...NOTHING_SAID, vanished: findings.vanished, changed }),
  })
}

function failed(error: RemoteFileError, member: string): SourceError {
  return new SourceError('capture-failed', `${printable(member)} can't be read: ${error.message}`, {
    command: 'SFTP server',
    next: 'Look at the file on the server, then pull again.',
  })
}

function entryOf({ member, stat }: Found): TarEntry {
  const { type } = stat
  if (type === 'socket') throw new TypeError('no tar holds a socket')
  return {
    path: Buffer.from(member),
    type,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    uname: '',
    gname: '',
    size: type === 'file' ? stat.size : 0,
    mtimeNs: BigInt(stat.mtime) * 1_000_000_000n,
  }
}
