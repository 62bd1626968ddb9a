import type { Fault } from '../fault.ts'

export const crypto: readonly Fault[] = [
  {
    name: 'aead-end-tag',
    what: 'the last tag, which covers the length, is not looked at',
    file: 'src/crypto/aead-data.ts',
    find: `  if (!whole) throw messageDamage('mdc')`,
    replace: `  if (!whole && total < 0) throw messageDamage('mdc')`,
    tests: ['test/unit/crypto/message-damage.test.ts'],
  },
  {
    name: 'aead-chunk-tag',
    what: 'a chunk that is not authentic is given away',
    file: 'src/crypto/aead-data.ts',
    find: `    } catch {
      return undefined
    }`,
    replace: `    } catch {
      return plain
    }`,
    tests: ['test/unit/crypto/message-damage.test.ts'],
  },
  {
    name: 'aead-chunk-order',
    what: 'chunks may change places',
    file: 'src/crypto/aead-data.ts',
    find: `const nonce = Buffer.concat([this.#nonceStart, uint64(index)])`,
    replace: `const nonce = Buffer.concat([this.#nonceStart, uint64(index === 0 ? 0 : 0)])`,
    tests: ['test/unit/crypto/message-damage.test.ts'],
  },
  {
    name: 'literal-trailing',
    what: 'bytes behind the data are read over',
    file: 'src/crypto/literal-content.ts',
    find: `  if (!(await reader.atEnd())) throw messageDamage('malformed', 'there are bytes behind its data')`,
    replace: `  if (!(await reader.atEnd())) await reader.drain()`,
    tests: ['test/unit/crypto/message-damage.test.ts'],
  },
  {
    name: 'compressed-twice',
    what: 'a message may be compressed again and again',
    file: 'src/crypto/literal-content.ts',
    find: `literalContent(inner, false)`,
    replace: `literalContent(inner, true)`,
    tests: ['test/unit/crypto/message-damage.test.ts'],
  },
  {
    name: 'mdc-unseen',
    what: 'changed content of a message is not noticed',
    file: 'src/crypto/protected-data.ts',
    find: `header.readUInt16BE() !== 0xd314 || !timingSafeEqual(expected, hash)`,
    replace: `header.readUInt16BE() !== 0xd314 && !timingSafeEqual(expected, hash)`,
    tests: ['test/unit/crypto/message-damage.test.ts'],
  },
  {
    name: 'message-trailing',
    what: 'bytes behind a message are read over',
    file: 'src/crypto/decryptor.ts',
    find: `  if (!(await reader.atEnd())) throw messageDamage('malformed', 'there are bytes behind its end')`,
    replace: `  if (!(await reader.atEnd())) await reader.drain()`,
    tests: ['test/integration/crypto-decryptor.test.ts'],
  },
  {
    name: 'identity-readable',
    what: 'an identity that others can read is used',
    file: 'src/crypto/identity.ts',
    find: `  if ((mode & 0o077) !== 0)`,
    replace: `  if ((mode & 0o077) === 0o1000)`,
    tests: ['test/integration/crypto-decryptor.test.ts'],
  },
  {
    name: 'gpg-status',
    what: "gpg's exit status is ignored",
    file: 'src/crypto/gnupg-decryptor.ts',
    find: `if (status !== 0 || !hasStatus(lines, 'DECRYPTION_OKAY')) throw`,
    replace: `if (status === null) throw`,
    tests: ['test/integration/crypto-decryptor.test.ts'],
  },
  {
    name: 'expired-recipient',
    what: 'archives are encrypted to an expired recipient',
    file: 'src/crypto/recipients.ts',
    find: `if (expires instanceof Date && expires <= now)`,
    replace: `if (expires instanceof Date && expires <= new Date(0))`,
    tests: ['test/integration/crypto-encryptor.test.ts'],
  },
  {
    name: 'revoked-recipient',
    what: 'archives are encrypted to a revoked recipient',
    file: 'src/crypto/recipients.ts',
    find: `if (await key.isRevoked(undefined, undefined, now))`,
    replace: `if (now.getTime() < 0)`,
    tests: ['test/integration/crypto-encryptor.test.ts'],
  },
]
