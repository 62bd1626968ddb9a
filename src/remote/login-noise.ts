import type { Readable } from 'node:stream'
import { SCRIPT_BEGINS } from './scripts.ts'

/** Most bytes of noise. When a login shell has said more, no script of ours begins behind it. */
const LIMIT = 64 * 1024

/**
 * Drops what a login shell prints (a noisy .bashrc) from a stream that begins with it: everything before the script's
 * mark, and the mark. Where the mark does not come, all of it passes. Call it before anything has arrived: it takes the
 * place of the stream's `push` until then, so that what follows passes as if it had not been there.
 */
export function skipLoginNoise(stream: Readable): void {
  let held: Buffer = Buffer.alloc(0)
  const { push } = stream
  const pass = (bytes: Buffer): boolean => {
    stream.push = push
    return bytes.length === 0 || stream.push(bytes)
  }
  stream.push = (chunk: Buffer | null): boolean => {
    if (chunk === null) {
      pass(held)
      return stream.push(null)
    }
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    const mark = held.indexOf(SCRIPT_BEGINS)
    if (mark !== -1) return pass(held.subarray(mark + SCRIPT_BEGINS.length))
    return held.length <= LIMIT || pass(held)
  }
}
