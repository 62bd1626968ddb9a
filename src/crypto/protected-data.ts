import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'
import { ByteReader } from './byte-reader.ts'
import { messageDamage } from './damage.ts'
import { literalContent } from './literal-content.ts'
import type { SessionKey } from './session-key.ts'

const CIPHERS: Readonly<Record<string, string>> = {
  aes128: 'aes-128-cfb',
  aes192: 'aes-192-cfb',
  aes256: 'aes-256-cfb',
}
const BLOCK = 16
/** Random bytes, of which the last two are repeated: they stand for the initialisation vector of CFB. */
const PREFIX = BLOCK + 2
/** Header, length and SHA-1 of the modification detection code. */
const MDC = 22

/**
 * The session key among several candidates (a wrong passphrase yields a key as well) that fits the first bytes
 * of the ciphertext; undefined when none does. One wrong key in 65,536 passes; the MDC finds that.
 */
export function fittingSessionKey(keys: readonly SessionKey[], start: Uint8Array): SessionKey | undefined {
  return keys.find((key) => {
    const decipher = decipherFor(key)
    const plain = decipher?.update(start)
    return plain !== undefined && plain.subarray(BLOCK - 2, BLOCK).equals(plain.subarray(BLOCK, PREFIX))
  })
}

/** Bytes that {@link fittingSessionKey} needs. */
export const SESSION_KEY_TEST_BYTES = PREFIX

/**
 * The content of the literal packet in an integrity-protected packet of version 1 (RFC 9580 section 5.13.1),
 * perhaps compressed. Ends without error only when the MDC was right and nothing followed.
 *
 * Not by openpgp.js, whose streaming parser waits for ever on some packets that a changed byte makes up.
 */
export async function* openProtectedData(
  ciphertext: AsyncIterable<Uint8Array>,
  key: SessionKey,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(verified(ciphertext, key))
  try {
    await reader.exactly(PREFIX)
    yield* literalContent(reader)
  } catch (error) {
    // Changed bytes may look like anything, so the MDC's verdict comes first.
    await reader.drain()
    throw error
  }
}

/** The deciphered bytes without the MDC, which is checked at the end. */
async function* verified(ciphertext: AsyncIterable<Uint8Array>, key: SessionKey): AsyncGenerator<Uint8Array> {
  const decipher = decipherFor(key)
  if (decipher === undefined)
    throw messageDamage('malformed', `its cipher ${key.algorithm} is not known here`)
  const digest = createHash('sha1')
  // Enough bytes are kept back for the MDC. When the newest piece is long enough, nothing before it can belong to the
  // MDC. So pieces are given away as they are deciphered, without copying.
  let held: Uint8Array = new Uint8Array()
  for await (const chunk of ciphertext) {
    if (chunk.length < MDC) {
      held = Buffer.concat([held, chunk])
      continue
    }
    if (held.length > 0) {
      const plain = decipher.update(held)
      digest.update(plain)
      yield plain
    }
    held = chunk
  }
  if (held.length < MDC) throw messageDamage('truncated')
  const rest = decipher.update(held)
  const [plain, header, hash] = [rest.subarray(0, -MDC), rest.subarray(-MDC, -20), rest.subarray(-20)]
  const expected = digest.update(plain).update(header).digest()
  if (header.readUInt16BE() !== 0xd314 || !timingSafeEqual(expected, hash)) throw messageDamage('mdc')
  if (plain.length > 0) yield plain
}

function decipherFor({ algorithm, data }: SessionKey) {
  const cipher = CIPHERS[algorithm]
  return cipher === undefined ? undefined : createDecipheriv(cipher, data, Buffer.alloc(BLOCK))
}
