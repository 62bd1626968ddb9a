import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FILE_MODE, syncDirectory } from './durable.ts'
import { hashOf } from './manifest.ts'
import { openRegular } from './regular-file.ts'

// A file of JSON lines, each with the hash of the line before, so that none is changed, taken out or put in unseen.

/** What the lines say, and where their chain of hashes is broken. */
export interface ChainReading {
  readonly lines: readonly ChainLine[]
  readonly problems: readonly ChainProblem[]
}

export interface ChainLine {
  /** From 1. */
  readonly number: number
  /** Undefined where it is no JSON object. */
  readonly json: Readonly<Record<string, unknown>> | undefined
  /** Hex SHA-256 of the line. */
  readonly hash: string
}

export interface ChainProblem {
  readonly line: number
  readonly message: string
}

/** Reads a chain. A last line without a newline is a write that a crash cut off, so it is no line. */
export function parseChain(text: string): ChainReading {
  const lines: ChainLine[] = []
  const problems: ChainProblem[] = []
  let previous: string | null = null
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    const number = index + 1
    const json = parseJson(line)
    if (json === undefined) {
      problems.push({ line: number, message: 'is not JSON' })
    } else if (json.previous !== previous) {
      const message = 'does not carry the hash of the line before: a line was changed, removed or inserted'
      problems.push({ line: number, message })
    }
    previous = hashOf(line)
    lines.push({ number, json, hash: previous })
  }
  return { lines, problems }
}

/**
 * Appends one line, with the hash of the line before as its last field, and brings it to the disk; all or nothing, also
 * when the disk is full. Cuts off what a crash left behind the last newline. The caller sees to it that nobody else
 * appends meanwhile.
 *
 * @returns the hashes of the line and of the one before it
 */
export async function appendChained(
  file: string,
  value: object,
): Promise<{ readonly hash: string; readonly previous: string | null }> {
  await using handle = await openRegular(file, 'append')
  await handle.chmod(FILE_MODE)
  const { end, line: last } = await lastLine(handle)
  await handle.truncate(end)
  const previous = last === undefined ? null : hashOf(last)
  const line = JSON.stringify({ ...value, previous })
  try {
    await handle.appendFile(`${line}\n`)
    await handle.sync()
    if (end === 0) await syncDirectory(dirname(file))
  } catch (error) {
    // A piece of a line that stays is marked as torn by the next line.
    await handle.truncate(end).catch(() => undefined)
    throw error
  }
  return { hash: hashOf(line), previous }
}

/** The last whole line as bytes, newline excluded, and where it ends; read from the tail, such files grow for years. */
async function lastLine(handle: FileHandle): Promise<{ end: number; line: Buffer | undefined }> {
  const { size } = await handle.stat()
  for (let length = Math.min(size, 64 * 1024); ; length = Math.min(size, length * 2)) {
    const tail = Buffer.alloc(length)
    await handle.read(tail, 0, length, size - length)
    const newline = tail.lastIndexOf(0x0a)
    const before = newline <= 0 ? -1 : tail.lastIndexOf(0x0a, newline - 1)
    if (newline >= 0 && (before >= 0 || length === size)) {
      return { end: size - length + newline + 1, line: tail.subarray(before + 1, newline) }
    }
    if (length === size) return { end: 0, line: undefined }
  }
}

function parseJson(line: string): (Record<string, unknown> & { previous?: unknown }) | undefined {
  try {
    const json: unknown = JSON.parse(line)
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
