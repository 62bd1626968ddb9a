import { onDisk } from './disk-error.ts'
import { FILE_MODE, ifPresent } from './durable.ts'
import { hashOf } from './manifest.ts'
import { MOST_BYTES } from './paths.ts'
import { isForeign, openRegular, readRegular } from './regular-file.ts'

/** What a file of lines says, and where it is not as it was written. */
export interface LinesReading {
  readonly values: readonly Readonly<Record<string, unknown>>[]
  readonly problems: readonly { readonly line: number; readonly message: string }[]
}

/** Of a SHA-256, enough to notice an accident. */
const CHECK_LENGTH = 16
const CHECKED = /^(.*),"check":"([0-9a-f]{16})"\}$/s

/**
 * Reads lines that {@link appendLine} wrote. A last line without a newline is a write that a crash cut off, and so is a
 * line that the next line marks as torn. Neither is a problem, and neither counts. Lines without a check stand only
 * before the first that has one: an older version wrote them.
 */
export function parseLines(text: string): LinesReading {
  const lines = text.split('\n').slice(0, -1).map(openLine)
  const values: Readonly<Record<string, unknown>>[] = []
  const problems: { line: number; message: string }[] = []
  const firstChecked = lines.findIndex((line) => line.checked === true)
  lines.forEach(({ json, checked }, index) => {
    const isOlder = checked === undefined && (firstChecked === -1 || index < firstChecked)
    if (json !== undefined && (checked === true || isOlder)) {
      values.push(json)
    } else if (lines[index + 1]?.json?.['afterTorn'] !== true) {
      const message = json === undefined ? 'is not JSON' : 'is not what was written'
      problems.push({ line: index + 1, message })
    }
  })
  return { values, problems }
}

/** The lines of the file at this path; none when there is no file. Throws as {@link readRegular}. */
export async function readLines(file: string): Promise<LinesReading> {
  return onDisk(file, async () =>
    parseLines((await ifPresent(readRegular(file, MOST_BYTES.lines)))?.toString('utf8') ?? ''),
  )
}

/** The values of the lines; empty where something else lies at the path. `check` names that, and damaged lines. */
export async function readValues(file: string): Promise<LinesReading['values']> {
  try {
    return (await readLines(file)).values
  } catch (error) {
    if (isForeign(error)) return []
    throw error
  }
}

/** Appends one line, with a check by which a reader can tell whether the line is as it was written. Needs no lock. */
export async function appendLine(file: string, value: object): Promise<void> {
  await onDisk(file, async () => {
    await using handle = await openRegular(file, 'append')
    await handle.chmod(FILE_MODE)
    const { size } = await handle.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    const isTorn = size > 0 && last[0] !== 0x0a
    const line = formatLine(isTorn ? { ...value, afterTorn: true } : value)
    // One write: appends of two processes never mix.
    await handle.write(`${isTorn ? '\n' : ''}${line}\n`)
    await handle.sync()
  })
}

/** One line without its newline; `check` is its last field and is taken over all before it. */
function formatLine(value: object): string {
  const open = JSON.stringify(value).slice(0, -1)
  return `${open},"check":"${hashOf(open).slice(0, CHECK_LENGTH)}"}`
}

/** `checked` is whether the line's check is right; undefined when it has none. */
function openLine(line: string): {
  readonly json: Readonly<Record<string, unknown>> | undefined
  readonly checked: boolean | undefined
} {
  const [, open, check] = CHECKED.exec(line) ?? []
  const checked = open === undefined ? undefined : hashOf(open).slice(0, CHECK_LENGTH) === check
  try {
    const json: unknown = JSON.parse(line)
    const isObject = typeof json === 'object' && json !== null
    return { json: isObject ? (json as Record<string, unknown>) : undefined, checked }
  } catch {
    return { json: undefined, checked }
  }
}
