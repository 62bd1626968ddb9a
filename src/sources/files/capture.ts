import type { FilesSourceConfig } from './config.ts'
import { PathFilter } from '../../model/path-filter.ts'
import type { Capture, CaptureContext, ListableSource, PullContext } from '../contract.ts'
import { noTar } from '../tree/failures.ts'
import { gnuPacker } from '../tree/gnu-packer.ts'
import { LeftOut } from '../tree/left-out.ts'
import { packerFor } from '../tree/packer-for.ts'
import { resolveRoots } from '../tree/resolve.ts'
import { scanFiles } from '../tree/scan.ts'
import { FilesCapture } from './files-capture.ts'
import { sftpPacker } from './sftp-packer.ts'

/**
 * Captures file trees: one archive with everything, and when files changed meanwhile a second one, `reread`, with
 * just these. Unpacked in this order by any tar they give the best copy. Mount points below the paths are
 * followed.
 *
 * What is captured is listed first, and what comes is compared with that: whatever keeps a file out of an archive
 * fails the source, and so does a root that goes away meanwhile. `isPrivate`: nobody else writes to these files, so their
 * times tell nothing.
 */
export async function captureFiles(
  context: CaptureContext & Pick<PullContext, 'createSorter'>,
  config: FilesSourceConfig,
  { isPrivate = false }: { readonly isPrivate?: boolean } = {},
): Promise<Capture> {
  if (context.probe.tar === undefined) throw noTar()
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  const leftOut = new LeftOut()
  if (context.probe.tar !== 'gnu' && context.probe.tar !== 'busybox') {
    context.notice({
      code: 'other-tar',
      message: `tar on the server is neither GNU's nor busybox's: extended attributes may be missing`,
      next: 'Install GNU tar on the server for a complete copy.',
    })
  }
  const { packer, names } = packerFor(context, roots, filter, leftOut)
  return new FilesCapture(context, config, {
    roots,
    missing,
    unreadable,
    filter,
    packer,
    leftOut,
    isPrivate,
    ...(names === undefined ? {} : { names }),
  })
}

/** Captures file trees of a server without a shell, in the same two archives. */
export async function captureFilesOverSftp(
  context: CaptureContext & Pick<PullContext, 'packTar'>,
  config: FilesSourceConfig,
): Promise<Capture> {
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  const leftOut = new LeftOut()
  const packer = sftpPacker(context, roots, filter, leftOut)
  return new FilesCapture(context, config, { roots, missing, unreadable, filter, packer, leftOut })
}

/** Prepares file trees to be listed and captured, all of them or just what changed; see `IncrementalSource`. */
export async function openFiles(context: CaptureContext, config: FilesSourceConfig): Promise<ListableSource> {
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  const leftOut = new LeftOut()
  const packer = gnuPacker(context, roots)
  return {
    list: () => scanFiles(context, roots, filter, leftOut),
    captureListed: (changes) =>
      new FilesCapture(context, config, { roots, missing, unreadable, filter, packer, leftOut, changes }),
  }
}
