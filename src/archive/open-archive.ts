import { createReadStream } from 'node:fs'
import { pipeline, Transform, type TransformCallback } from 'node:stream'
import { createDecompress } from './compression.ts'
import type { OpenArchive } from './contract.ts'
import { tooLong } from './walk-tar.ts'

/** See {@link OpenArchive}. */
export const openArchive: OpenArchive = async ({ path, compression, decryptor, most }) => {
  const message = createReadStream(path, { highWaterMark: 256 * 1024 })
  const compressed = await decryptor.decrypt(message)
  const plain = createDecompress(compression)
  if (most === undefined) {
    // The error reaches the reader through `plain`, which pipeline destroys with it.
    pipeline(compressed, plain, () => undefined)
    return plain
  }
  const bounded = atMost(most)
  pipeline(compressed, plain, bounded, () => undefined)
  return bounded
}

/** Passes on what comes, and fails when more comes. */
function atMost(bytes: number): Transform {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      passed += chunk.length
      if (passed > bytes) done(tooLong(bytes))
      else done(null, chunk)
    },
  })
}
