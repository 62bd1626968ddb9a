import { createReadStream, createWriteStream } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createDecryptor } from '../../src/crypto/decryptor.ts'
import { createEncryptor } from '../../src/crypto/encryptor.ts'
import type { EncryptionConfig } from '../../src/model/config.ts'
import { Secret } from '../../src/model/secret.ts'

// Encrypts or decrypts 512 MiB and prints the peak memory of this process in MiB, and the plain bytes.
const [, , direction, config, file] = process.argv as unknown as [string, string, string, string, string]
const TOTAL = 512 * 1024 * 1024
const encryption = JSON.parse(config) as EncryptionConfig
const deps = {
  resolveSecret: async () => new Secret('x'),
  now: new Date(),
  signal: new AbortController().signal,
}
let bytes = 0

if (direction === 'encrypt') {
  const zeros = function* () {
    for (; bytes < TOTAL; bytes += 65_536) yield Buffer.alloc(65_536)
  }
  const { encryptor } = await createEncryptor(encryption, deps)
  await pipeline(Readable.from(zeros()), (await encryptor.encrypt()).stream, createWriteStream(file))
} else {
  const counter = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      setImmediate(done)
    },
  })
  const decryptor = await createDecryptor(encryption, deps)
  await pipeline(await decryptor.decrypt(createReadStream(file)), counter)
}
process.stdout.write(JSON.stringify({ mebibytes: process.resourceUsage().maxRSS / 1024, bytes }))
