import { randomBytes } from 'node:crypto'

/** What the stages of a script's pipeline exited with, and what they said. */
export interface StreamStatus {
  /** Exit status by stage name, in the pipeline's order of ending; 128 + n for a signal. */
  readonly statuses: ReadonlyMap<string, number>
  /** stderr without our own lines. */
  readonly messages: string
  /** Bytes of messages that `messages_up_to` held back on the server. */
  readonly cut: number
  /** Other lines of ours, `relay-backup:<nonce>:<key> <value>`, in order. */
  readonly notes: readonly { readonly key: string; readonly value: string }[]
}

/** 128 + SIGPIPE: the stage was cut off by the one behind it, or by us. */
export const SIGPIPE_STATUS = 141

/** A fresh nonce for one run of a streaming script. It marks the status lines, so no file name can forge them. */
export function streamNonce(): string {
  return randomBytes(16).toString('hex')
}

/**
 * Reads the `relay-backup:<nonce>:status <stage>=<n> …` line that `remote/scripts/lib/pipeline.sh` writes last on
 * stderr. Undefined when it is missing: the script was killed, and no status is never a success.
 */
export function parseStreamStatus(stderr: string, nonce: string): StreamStatus | undefined {
  const prefix = `relay-backup:${nonce}:status`
  // A message without a final line break may stand in front of it on the same line.
  const start = stderr.lastIndexOf(prefix)
  if (start === -1) return undefined
  const end = stderr.indexOf('\n', start)
  // Without its line break the line may be cut in the middle of a number.
  if (end === -1) return undefined
  const words = stderr
    .slice(start + prefix.length, end)
    .split(' ')
    .filter((word) => word !== '')
  const statuses = new Map<string, number>()
  for (const word of words) {
    const match = /^([a-z][a-z0-9_-]*)=(\d{1,3})$/.exec(word)
    if (match?.[1] === undefined) return undefined
    statuses.set(match[1], Number(match[2]))
  }
  if (statuses.size === 0) return undefined
  const notes: { readonly key: string; readonly value: string }[] = []
  const rest = (stderr.slice(0, start) + stderr.slice(end + 1)).replaceAll(
    new RegExp(`^relay-backup:${nonce}:([a-z-]+) ?(.*)\n`, 'gm'),
    (_line, key: string, value: string) => {
      notes.push({ key, value })
      return ''
    },
  )
  const cut = notes.filter((note) => note.key === 'cut').reduce((sum, note) => sum + Number(note.value), 0)
  return { statuses, messages: rest, cut, notes: notes.filter((note) => note.key !== 'cut') }
}

/**
 * The first stage that failed of itself, in the order given. A stage that died of SIGPIPE only followed the one
 * behind it and is named only when no other failed. A stage that the script did not report counts as failed,
 * with status 255.
 */
export function failedStage(
  status: StreamStatus,
  stages: readonly string[],
): { readonly stage: string; readonly status: number } | undefined {
  const failed = stages
    .map((stage) => ({ stage, status: status.statuses.get(stage) ?? 255 }))
    .filter((each) => each.status !== 0)
  return failed.find((each) => each.status !== SIGPIPE_STATUS) ?? failed[0]
}
