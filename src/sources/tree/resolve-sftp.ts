import { RemoteFileError } from '../../errors.ts'
import type { RemoteFiles, RemoteFileStat } from '../../remote/contract.ts'
import type { CaptureContext } from '../contract.ts'
import { ALWAYS_EXCLUDED } from '../../model/path-filter.ts'
import type { PathReport } from './resolve.ts'

/** How many names of the nearest directory are shown. */
const SHOWN = 10

/** The answer of `resolve.sh` about these paths, found out over SFTP. */
export async function inspectOverSftp(
  { host, probe, signal }: Pick<CaptureContext, 'host' | 'probe' | 'signal'>,
  paths: readonly string[],
): Promise<{ readonly uid: number; readonly reports: readonly PathReport[] }> {
  await using files = await host.openFiles(signal)
  const reports: PathReport[] = []
  for (const path of paths) {
    reports.push(await inspect(files, path.startsWith('/') ? path : `${probe.deployment ?? ''}/${path}`))
  }
  return { uid: probe.uid, reports }
}

async function inspect(files: RemoteFiles, path: string): Promise<PathReport> {
  const itself = await orRefused(files.lstat(path))
  if (itself instanceof RemoteFileError) return absent(files, path)
  const link = itself.type === 'symlink' ? await files.readlink(path) : ''
  const target = itself.type === 'symlink' ? await orRefused(files.stat(path)) : itself
  if (target instanceof RemoteFileError) {
    return { ...reportOf('dangling', itself), link: Buffer.from(link) }
  }
  const isReadable = await canRead(files, path, target)
  return {
    ...reportOf(target.type.endsWith('device') ? 'device' : (target.type as PathReport['type']), target),
    link: Buffer.from(link),
    real: Buffer.from(await files.realpath(path)),
    readable: isReadable,
  }
}

async function absent(files: RemoteFiles, path: string): Promise<PathReport> {
  let near = parentOf(path)
  let stat = await orRefused(files.stat(near))
  while (stat instanceof RemoteFileError && near !== '/') {
    near = parentOf(near)
    stat = await orRefused(files.stat(near))
  }
  const names = await namesIn(files, near)
  const report = stat instanceof RemoteFileError ? reportOf('missing') : reportOf('missing', stat)
  return {
    ...report,
    type: names === undefined ? 'denied' : 'missing',
    near: Buffer.from(near),
    names: names ?? [],
  }
}

/** Undefined when we may not look into it. */
async function namesIn(files: RemoteFiles, directory: string): Promise<Buffer[] | undefined> {
  const names: Buffer[] = []
  try {
    for await (const entries of files.list(directory)) {
      names.push(
        ...entries.filter(({ name }) => name !== ALWAYS_EXCLUDED).map(({ name }) => Buffer.from(name)),
      )
      if (names.length >= SHOWN) break
    }
  } catch (error) {
    if (!(error instanceof RemoteFileError)) throw error
    if (error.problem === 'denied') return undefined
  }
  return names.slice(0, SHOWN)
}

/** Whether a file can be read shows only when it is opened. */
async function canRead(files: RemoteFiles, path: string, { type }: RemoteFileStat): Promise<boolean> {
  if (type === 'directory') return (await namesIn(files, path)) !== undefined
  if (type !== 'file') return true
  const file = await orRefused(files.open(path))
  if (file instanceof RemoteFileError) return file.problem !== 'denied'
  await file.close()
  return true
}

function reportOf(type: PathReport['type'], stat?: RemoteFileStat): PathReport {
  return {
    type,
    link: Buffer.alloc(0),
    real: Buffer.alloc(0),
    readable: false,
    owner: stat === undefined ? '' : String(stat.uid),
    mode: stat === undefined ? '' : stat.mode.toString(8).padStart(4, '0'),
    near: Buffer.alloc(0),
    names: [],
  }
}

/** The answer, or the server's refusal as a value. */
async function orRefused<T>(answer: Promise<T>): Promise<T | RemoteFileError> {
  return answer.catch((error: unknown) => {
    if (error instanceof RemoteFileError) return error
    throw error
  })
}

function parentOf(path: string): string {
  const slash = path.replace(/\/+$/, '').lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}
