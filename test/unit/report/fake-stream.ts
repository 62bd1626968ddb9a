import { Writable } from 'node:stream'

export interface FakeStream extends NodeJS.WriteStream {
  /** Everything that was written. */
  readonly text: string
  /** What a terminal shows of it, colours left out. Knows the few codes that a live list needs. */
  readonly screen: string
}

/** A stream that says it is a terminal of 80 columns, or a pipe, and keeps what it gets. */
export function fakeStream({ tty }: { tty: boolean }): FakeStream {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  Object.assign(stream, tty ? { isTTY: true, columns: 80, rows: 24 } : {})
  Object.defineProperties(stream, {
    text: { get: () => text },
    screen: { get: () => screenOf(text) },
  })
  return stream as unknown as FakeStream
}

function screenOf(text: string): string {
  const lines = ['']
  let row = 0
  let column = 0
  for (const [token] of text.matchAll(/\x1b\[[?\d;]*[A-Za-z]|[^]/g)) {
    if (token === '\n') {
      row += 1
      column = 0
      lines[row] ??= ''
    } else if (token === '\x1b[2K') lines[row] = ''
    else if (token === '\x1b[1A') row = Math.max(0, row - 1)
    else if (token === '\x1b[G') column = 0
    else if (!token.startsWith('\x1b')) {
      const line = (lines[row] ?? '').padEnd(column)
      lines[row] = line.slice(0, column) + token + line.slice(column + 1)
      column += 1
    }
  }
  return lines.map((line) => line.trimEnd()).join('\n')
}
