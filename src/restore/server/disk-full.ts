import { RelayError, RemoteError } from '../../errors.ts'
import { diskFullMessage, saysDiskFull } from '../../model/disk-full.ts'
import { printable } from '../../model/path-bytes.ts'
import { fieldLines } from '../../model/talk.ts'
import type { Privilege, RemoteHost } from '../../remote/contract.ts'

/**
 * Turns a step's error into one that says which disk of the server is full and how much is missing, where that is the
 * cause; otherwise returns it as it is. `places` are the directories that the step wrote to, and how many bytes it was
 * to bring there. Never throws.
 */
export async function explainFullDisk(
  host: RemoteHost,
  error: unknown,
  options: {
    readonly places: readonly { readonly directory: string; readonly bytes: number }[]
    readonly privilege: Privilege | undefined
  },
): Promise<unknown> {
  if (!(error instanceof RelayError)) return error
  const said = [error.details.stderr ?? '', error.message].find(saysDiskFull)
  if (said === undefined) return error
  const [tightest] = (await lookAtRoom(host, options)).sort((one, other) => one.free - other.free)
  const path = tightest?.directory ?? options.places[0]?.directory
  if (path === undefined) return error
  const missing = tightest && tightest.bytes - tightest.used - tightest.free
  return new RemoteError(
    'disk-full',
    diskFullMessage({
      host: host.name,
      path: printable(path),
      free: tightest?.free,
      missing: missing !== undefined && missing > 0 ? missing : undefined,
    }),
    {
      ...error.details,
      host: host.name,
      stderr: said,
      next: `Free space there, or discard what an earlier restore set aside: relay-backup rollback --host ${host.name} --discard`,
      cause: error,
    },
  )
}

interface Room {
  readonly directory: string
  readonly bytes: number
  readonly free: number
  readonly used: number
}

/** In bytes; places of which nothing is known are left out. */
async function lookAtRoom(
  host: RemoteHost,
  { places, privilege }: Parameters<typeof explainFullDisk>[2],
): Promise<Room[]> {
  // The abort that stopped the step must not keep us from finding out why.
  const { signal } = new AbortController()
  const args = places.map(({ directory }) => directory)
  try {
    const { stdout } = await host.run(
      { script: 'restore/disk-free', patience: 'work', args, privilege, title: 'looking for room' },
      { signal },
    )
    const rooms = fieldLines(stdout)
    return places.flatMap(({ directory, bytes }, at) => {
      const [, free = '-', used] = rooms[at] ?? []
      return free === '-' ? [] : [{ directory, bytes, free: Number(free) * 1024, used: Number(used) * 1024 }]
    })
  } catch {
    // The error of the step is told without the room then.
    return []
  }
}
