/** Names of hosts and sources in the config: they are used in file names as they are. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** A name as a file name: configured names stay as they are, anything else is percent-encoded. */
export function encodeFileName(name: string): string {
  if (NAME_PATTERN.test(name)) return name
  return Array.from(Buffer.from(name, 'utf8'), (byte) => {
    const char = String.fromCharCode(byte)
    return /[a-z0-9_-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}

/** The inverse of {@link encodeFileName}. */
export function decodeFileName(fileName: string): string {
  return decodeURIComponent(fileName)
}

/** `20251120T020000Z`: a snapshot's id is the UTC second it was begun in. */
export const SNAPSHOT_ID_PATTERN = /^\d{8}T\d{6}Z$/

/** The id of a snapshot begun at this time (whole seconds, UTC). */
export function snapshotId(at: Date): string {
  return `${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

/** The time a snapshot id stands for. Throws RangeError on a malformed id. */
export function snapshotTime(id: string): Date {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(id)
  if (!match) throw new RangeError(`not a snapshot id: ${id}`)
  const [, year, month, day, hour, minute, second] = match
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
}
