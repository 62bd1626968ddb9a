import { posix } from 'node:path'
import { ConnectionError, RelayError, SourceError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { encodeBytes, encodeField, fieldLine } from '../model/talk.ts'
import { nextReply } from '../restore/server/replies.ts'
import { prepareStaging } from '../restore/server/staging.ts'
import type { ComposeLabels } from '../services/contract.ts'
import type { Visit } from '../runs/visit.ts'
import type { Need } from './needs.ts'

/** The volumes that Compose is to make on TO, and the files it makes them from. */
export interface VolumesToMake {
  /** As the config names them. */
  readonly volumes: readonly string[]
  readonly project: string
  /** FROM's, where the files lie. */
  readonly directory: string
  /** The paths among them that lie in the directory. Files are copied; a directory only has to exist. */
  readonly parts: readonly { readonly path: string; readonly type: 'file' | 'directory' }[]
  /** Absolute, in Compose's order. */
  readonly files: readonly string[]
  readonly envFiles: readonly string[]
}

/** Bytes of a line's piece of a file: encoded they fit a line of a lease. */
const CHUNK = 700

/** What volumes are made from: the labels of the containers that run on FROM, and what those need. Pure. */
export function volumesToMake(
  volumes: readonly string[],
  project: string,
  { directory, files, envFiles }: Pick<ComposeLabels, 'directory' | 'files' | 'envFiles'>,
  needs: readonly Need[],
): VolumesToMake | undefined {
  if (volumes.length === 0 || directory === undefined || files.length === 0) return undefined
  const parts = needs.flatMap(({ path, from, volume, what }) => {
    const isRead = volume === undefined && !what.startsWith('mount of ') && path.startsWith(`${directory}/`)
    return isRead && (from.type === 'file' || from.type === 'directory') ? [{ path, type: from.type }] : []
  })
  return { volumes, project, directory, parts, files, envFiles }
}

/**
 * Has Compose on TO make the volumes of a project that is not there yet: `up --no-start` from copies of FROM's Compose
 * files in a place of their own, under a lease that removes the containers of it again. The volumes stay, empty, also
 * when the migration is undone. Throws RelayError.
 */
export async function makeVolumes(
  from: Pick<Visit, 'remote' | 'privilege'>,
  to: Pick<Visit, 'remote' | 'privilege' | 'deployment'>,
  asked: VolumesToMake,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const { deployment, remote, privilege } = to
  const staged = `${deployment}/.relay-backup/restore-${id}/compose`
  const lines: string[] = []
  for (const { path, type } of asked.parts) {
    lines.push(fieldLine(type, encodeField(posix.relative(asked.directory, path))))
    if (type === 'directory') continue
    const bytes = await readFile(from, path, signal)
    for (let at = 0; at < bytes.length; at += CHUNK)
      lines.push(fieldLine('chunk', encodeBytes(bytes.subarray(at, at + CHUNK))))
  }
  for (const argument of composeArguments(asked, staged))
    lines.push(fieldLine('argument', encodeField(argument)))
  const options = { deployment, privilege, signal }
  await prepareStaging(remote, { ...options, id, directories: [staged] })
  await using lease = await remote.lease(
    {
      script: 'migrate/volumes',
      patience: 'services',
      args: [staged, asked.project],
      privilege,
      title: 'having Compose make the volumes',
    },
    { firstLines: lines, signal },
  )
  lease.send('make')
  const reply = await nextReply(lease, 'make', signal)
  if (reply === undefined) {
    throw new ConnectionError('lost', `Making the volumes on ${remote.name} ended before it answered`, {
      host: remote.name,
      next: 'Migrate again.',
    })
  }
  if (reply.outcome === 'ok') return
  throw new RelayError(
    'volumes-not-made',
    `Compose on ${remote.name} can't make ${asked.volumes.join(', ')}: ${printable(reply.text)}`,
    {
      host: remote.name,
      next: 'Make the volumes there by hand, in the deployment: docker compose up --no-start',
    },
  )
}

/** The text with every path of FROM's directory led to its staged place. */
function composeArguments(
  { project, directory, files, envFiles }: VolumesToMake,
  staged: string,
): readonly string[] {
  const place = (path: string): string =>
    path.startsWith(`${directory}/`) ? `${staged}/${posix.relative(directory, path)}` : path
  return [
    ...['--project-name', project, '--project-directory', staged],
    ...files.flatMap((path) => ['--file', place(path)]),
    ...envFiles.flatMap((path) => ['--env-file', place(path)]),
  ]
}

/** As a field, but bytes that happen to be UTF-8 at one end and not at the other are kept as they are. */
async function readFile(
  { remote, privilege }: Pick<Visit, 'remote' | 'privilege'>,
  path: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const title = `reading ${path}`
  const { status, stdout } = await remote.run(
    { script: 'services/read-file', args: [path], privilege, title },
    { signal },
  )
  if (status === 0) return stdout
  throw new SourceError('compose-files', `${printable(path)} on ${remote.name} can't be read`, {
    host: remote.name,
    next: 'Make it readable for the SSH user.',
  })
}
