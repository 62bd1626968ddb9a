import { PathFilter } from '../../model/path-filter.ts'
import { printable } from '../../model/path-bytes.ts'
import { UNREADABLE } from '../../model/snapshot.ts'
import type { CaptureContext, ExcludedNames } from '../contract.ts'
import { noTar, tellUnreadable } from '../tree/failures.ts'
import { LeftOut } from '../tree/left-out.ts'
import { listPaths } from '../tree/packer-for.ts'
import { resolveRoots } from '../tree/resolve.ts'
import type { FilesSourceConfig } from './config.ts'
import { missingNotice } from './tell-found.ts'

/** Finds out whether the paths can be captured; throws as captureFiles does before it reads them. */
export async function lookAtFiles(context: CaptureContext, config: FilesSourceConfig): Promise<void> {
  if (context.probe.access === 'shell' && context.probe.tar === undefined) throw noTar()
  const { roots, missing, unreadable } = await resolveRoots(context, config.paths)
  if (missing.length > 0) context.notice(missingNotice(missing, config))
  if (unreadable.length > 0) {
    const members = unreadable.map(({ name }) => Buffer.from(name).toString('latin1'))
    const told = await tellUnreadable(context, [...roots, ...unreadable], members)
    context.notice({ code: UNREADABLE, ...told })
  }
}

/** What each pattern of a source leaves out now; nothing is known of a server without a shell. */
export async function findExcluded(
  context: CaptureContext,
  config: FilesSourceConfig,
): Promise<readonly ExcludedNames[]> {
  if (context.probe.access === 'sftp') return []
  const { roots } = await resolveRoots(context, config.paths)
  const filter = new PathFilter(config.exclude, roots, context.probe.deployment)
  for await (const _path of listPaths(context, roots, filter, new LeftOut()));
  return filter.matches.map(({ pattern, count: number, names }) => ({
    pattern,
    count: number,
    names: names.map((name) => printable(Buffer.from(name, 'latin1'))),
  }))
}
