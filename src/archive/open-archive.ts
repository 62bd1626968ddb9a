import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createDecompress } from './compression.ts'
import type { OpenArchive } from './contract.ts'

/** See {@link OpenArchive}. */
export const openArchive: OpenArchive = async ({ path, compression, decryptor }) => {
  const message = createReadStream(path, { highWaterMark: 256 * 1024 })
  const compressed = await decryptor.decrypt(message)
  const plain = createDecompress(compression)
  // The error reaches the reader through `plain`, which pipeline destroys with it.
  pipeline(compressed, plain, () => undefined)
  return plain
}
