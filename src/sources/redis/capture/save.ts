import { SourceError } from '../../../errors.ts'
import { linesOf } from '../../../model/lines.ts'
import { formatSize } from '../../../model/units.ts'
import { nameOf, refusal, whereItWrites } from '../failures.ts'
import type { Inspection } from '../talk/inspection.ts'
import { stdinOf } from '../talk/connection.ts'
import type { Session } from '../talk/connection.ts'

export interface Saved {
  /** Unix time in seconds, where the server tells. */
  readonly time?: number | undefined
  /** Size of the RDB, where it can be seen. */
  readonly bytes?: number | undefined
  /** The RDB's name, where the server does not tell it: what changed in the directory. */
  readonly file?: string | undefined
}

/** A save or a rewrite that moves nothing for so long is given up, in s. */
const STALL = 600

/**
 * Has Redis save itself and waits until that ended well and the RDB in its directory was replaced: `name`, or, where
 * the server does not tell what it is called, another one. Throws SourceError with the server's reason.
 */
export async function save(
  session: Session,
  { directory, refused }: Pick<Inspection, 'directory' | 'refused'>,
  name: string,
): Promise<Saved> {
  const { context } = session
  const process = await context.host.spawn(
    {
      script: 'sources/redis/save',
      patience: 'stream',
      args: [
        ...session.server,
        ...[`${directory.real}/${name}`, String(STALL), refused.dbfilename === undefined ? 'no' : 'yes'],
      ],
      privilege: context.privilege,
      title: 'saving Redis on the server',
    },
    { signal: context.signal },
  )
  // The exit is judged below; an abort may come before.
  process.exit.catch(() => {})
  const stop = (): void => process.kill()
  context.signal.addEventListener('abort', stop)
  try {
    // A script that ended early has closed its stdin. Its output says why.
    process.stdin.on('error', () => {})
    process.stdin.end(stdinOf(session))
    let last = ''
    for await (const line of linesOf(process.stdout as AsyncIterable<Buffer>, 'utf8')) {
      last = line
      tell(session, line)
    }
    const exit = await process.exit
    context.signal.throwIfAborted()
    return judge(session, last, exit, refused.dbfilename)
  } catch (error) {
    // When we cut it off, our reason counts, and not how the stream ended.
    context.signal.throwIfAborted()
    throw error
  } finally {
    if (!process.stdout.readableEnded) process.kill()
    context.signal.removeEventListener('abort', stop)
  }
}

function tell({ context }: Session, line: string): void {
  const wait = /^wait (.*)$/.exec(line)
  if (wait) context.step(`waiting for ${wait[1]}`)
  const saving = /^saving (\d*) (\d*)$/.exec(line)
  if (saving) {
    const [, keys, all] = saving
    context.step(keys && all && all !== '0' ? `Redis is saving: ${keys} of ${all} keys` : 'Redis is saving')
  }
}

function judge(
  { config }: Session,
  last: string,
  exit: { readonly status: number; readonly stderr: string },
  refused: string | undefined,
): Saved {
  const redis = nameOf(config)
  const saved = /^saved (\d*) (\d*)(?: (.+))?$/.exec(last)
  if (saved && exit.status === 0) {
    return {
      ...(saved[1] ? { time: Number(saved[1]) } : {}),
      ...(saved[2] ? { bytes: Number(saved[2]) } : {}),
      ...(saved[3] ? { file: saved[3] } : {}),
    }
  }
  const failed = /^failed (\w+) ?(.*)$/.exec(last)
  const text = failed?.[2] ?? ''
  switch (failed?.[1]) {
    case 'answer':
      throw refusal(config, 'save', text)
    case 'space': {
      const [needed, free] = text.split(' ').map(Number)
      throw new SourceError(
        'redis-no-space',
        `${redis} has no room to save: the last RDB has ${formatSize(needed ?? 0)}, free are ${formatSize(free ?? 0)}`,
        { next: 'Make room on the file system of `dir`, then pull again.' },
      )
    }
    case 'child': {
      const free = Number(text)
      throw new SourceError(
        'redis-save-failed',
        `${redis} could not save: its BGSAVE failed${
          Number.isFinite(free) && text !== '' ? ` (free where it writes: ${formatSize(free * 1024)})` : ''
        }`,
        {
          next: "Look into the log of Redis on the server. Most often the disk is full, `dir` is not writable for Redis' user, or there is too little memory to fork (vm.overcommit_memory=1 helps).",
        },
      )
    }
    case 'stalled':
      throw new SourceError('redis-save-stalled', `The save of ${redis} does not come to an end: ${text}`, {
        next: 'Look on the server what its child process is doing (redis-cli INFO persistence), then pull again.',
      })
    case 'elsewhere':
      throw new SourceError('redis-saved-elsewhere', `${redis} saved, but not to ${text}`, {
        next: whereItWrites(refused),
      })
    default:
      throw new SourceError('redis-save-failed', `Saving ${redis} was cut off on the server`, {
        exitStatus: exit.status,
        stderr: exit.stderr,
        next: 'Pull again.',
      })
  }
}
