/** Commands of an append-only file that write nothing themselves. */
const SILENT = new Set(['select', 'multi', 'exec', 'ping'])

/**
 * How many commands that write are in a piece of an append-only file, which begins with a command; one that is cut off
 * at its end does not count. From where the text is no such file, nothing counts.
 */
export function countCommands(bytes: Uint8Array): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let count = 0
  /** The rest of a line, and on to the next; undefined when it is cut off. */
  const line = (): string | undefined => {
    const end = text.indexOf('\r\n', at)
    if (end === -1) return undefined
    const found = text.toString('latin1', at, end)
    at = end + 2
    return found
  }
  while (at < text.length) {
    const head = line()
    if (head === undefined) return count
    // An annotation: `#TS:1700000000`.
    if (head.startsWith('#')) continue
    if (!/^\*[1-9]\d*$/.test(head)) return count
    let name = ''
    for (let left = Number(head.slice(1)), first = true; left > 0; left -= 1, first = false) {
      const length = line()
      if (length === undefined || !/^\$\d+$/.test(length)) return count
      const end = at + Number(length.slice(1))
      if (end + 2 > text.length) return count
      if (first) name = text.toString('latin1', at, end).toLowerCase()
      at = end + 2
    }
    if (!SILENT.has(name)) count += 1
  }
  return count
}
