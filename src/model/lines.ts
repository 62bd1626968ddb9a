import { RemoteError } from '../errors.ts'

/** In bytes. No line of our scripts comes near it. */
const LONGEST = 1024 * 1024

/**
 * The lines of a stream of bytes, without their line ends, in constant memory. What follows the last line end is no
 * line. Throws RemoteError `output-too-long` for a line without an end.
 */
export async function* linesOf(
  stream: AsyncIterable<Buffer>,
  encoding: BufferEncoding,
): AsyncGenerator<string, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, from)) {
      yield bytes.toString(encoding, from, end)
      from = end + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LONGEST) {
      throw new RemoteError('output-too-long', 'A line of the answer of the server has no end', {
        next: 'Something else than our script answers there: look at what the login shell of this user runs',
      })
    }
  }
}
