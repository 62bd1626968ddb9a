import { readFile } from 'node:fs/promises'
import { readKeys } from 'openpgp'
import type { Key } from 'openpgp'
import { KeyError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'

const ARMOR_START = '-----BEGIN PGP '
const ARMORED_KEY =
  /-----BEGIN PGP (PUBLIC|PRIVATE) KEY BLOCK-----[\s\S]*?-----END PGP (PUBLIC|PRIVATE) KEY BLOCK-----/g

/** A new key opens nothing that was encrypted before. */
const WHEN_MISSING =
  'Put the key back there, or name another file in the config. Only where no backup was made yet, make a pair: relay-backup key generate (a new key opens no earlier backup)'

/**
 * Every certificate or private key in a file, armored (several blocks are fine) or binary.
 * Throws KeyError that names the file; its next step is `whenMissing` where there is none.
 */
export async function readKeyFile(file: string, whenMissing = WHEN_MISSING): Promise<Key[]> {
  return await parseKeys(await readBytes(file, whenMissing), file)
}

/** {@link readKeyFile} for bytes that came from `file`. */
export async function parseKeys(bytes: Uint8Array, file: string): Promise<Key[]> {
  const text = Buffer.from(bytes).toString('latin1')
  try {
    const keys = text.includes(ARMOR_START)
      ? (
          await Promise.all((text.match(ARMORED_KEY) ?? []).map((block) => readKeys({ armoredKeys: block })))
        ).flat()
      : await readKeys({ binaryKeys: bytes })
    if (keys.length > 0) return keys
  } catch (cause) {
    throw notAKey(file, cause)
  }
  throw notAKey(file)
}

async function readBytes(file: string, whenMissing: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const why = code === 'ENOENT' ? 'does not exist' : `can't be read (${code ?? String(cause)})`
    throw new KeyError(`The key file ${file} ${why}`, {
      next: code === 'ENOENT' ? whenMissing : `Make it readable for you: chmod u+r ${file}`,
      cause,
    })
  }
}

function notAKey(file: string, cause?: unknown): KeyError {
  const why = cause instanceof Error ? `: ${printable(cause.message)}` : ''
  return new KeyError(`The file ${file} holds no OpenPGP key that can be read${why}`, {
    next: 'Export the key again: gpg --export --armor KEYID',
    cause,
  })
}

/** How a key is named for people: upper-case hex, as gpg prints it. */
export function fingerprintOf(key: Pick<Key, 'getFingerprint'>): string {
  return key.getFingerprint().toUpperCase()
}
