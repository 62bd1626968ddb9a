import { Readable } from 'node:stream'
import { decrypt, decryptSessionKeys, readMessage } from 'openpgp'
import type { DecryptOptions } from 'openpgp'
import { DamageError, KeyError } from '../errors.ts'
import type { EncryptionConfig } from '../model/config.ts'
import type { Decryptor } from './contract.ts'
import { gnuPGDecryptor } from './gnupg-decryptor.ts'
import { unlockIdentity } from './identity.ts'
import type { PassphraseSources } from './identity.ts'

type Openers = Pick<DecryptOptions, 'decryptionKeys' | 'passwords'>

/**
 * Makes the decryptor that the config describes: from the identity file (mode 0600, its passphrase from the
 * config or asked for), through the user's own gpg, or with the passphrase. Throws KeyError, SecretError.
 */
export async function createDecryptor(
  config: EncryptionConfig,
  sources: PassphraseSources,
): Promise<Decryptor> {
  if (config.mode === 'passphrase') {
    const passphrase = await sources.resolveSecret(config.passphrase, sources.signal)
    return streamDecryptor(
      () => ({ passwords: passphrase.reveal() }),
      'The passphrase does not open this archive',
    )
  }
  const { identity } = config
  if (identity === undefined)
    throw new KeyError('The config names no identity that could open archives', {
      next: 'Set encryption.identity to the private key file, or to { gpg: KEYID }',
    })
  if ('gpg' in identity) return gnuPGDecryptor(identity.gpg, sources.signal)
  const decryptionKeys = await unlockIdentity(identity.file, config.identityPassphrase, sources)
  return streamDecryptor(
    () => ({ decryptionKeys }),
    `The identity ${identity.file} does not open this archive`,
  )
}

function streamDecryptor(openers: () => Openers, notOurs: string): Decryptor {
  return {
    async decrypt(message) {
      const source = new WholeSource(message)
      try {
        const plain = await openMessage(source, openers(), notOurs)
        const output = Readable.from(untilTheEnd(plain, source), {
          objectMode: false,
          highWaterMark: 256 * 1024,
        })
        return output.once('close', () => message.destroy())
      } catch (error) {
        message.destroy()
        throw source.failure ?? error
      }
    },
  }
}

/** The session key first: who can't have it holds the wrong key, whatever fails later is the message's fault. */
async function openMessage(
  source: WholeSource,
  openers: Openers,
  notOurs: string,
): Promise<AsyncIterable<Uint8Array>> {
  const message = await damageIfThrown(() => readMessage({ binaryMessage: source.stream }))
  const sessionKeys = await sessionKeysOf(message, openers, notOurs)
  return await damageIfThrown(async () => {
    const { data } = await decrypt({
      message,
      sessionKeys,
      format: 'binary',
      // Else the whole message is held in memory (design.md section 4).
      config: { allowUnauthenticatedStream: true },
    })
    return data as unknown as AsyncIterable<Uint8Array>
  })
}

async function sessionKeysOf(
  message: Parameters<typeof decryptSessionKeys>[0]['message'],
  openers: Openers,
  notOurs: string,
) {
  if (message.getEncryptionKeyIDs().length === 0 && message.packets.length < 2)
    throw damage(new Error('it does not begin with an encrypted session key'))
  try {
    return (await decryptSessionKeys({ message, ...openers })).map(({ data, algorithm }) => ({
      data,
      algorithm: algorithm as NonNullable<typeof algorithm>,
    }))
  } catch {
    const ids = message.getEncryptionKeyIDs().map((id) => id.toHex().toUpperCase())
    throw new KeyError(notOurs, {
      next:
        ids.length === 0
          ? 'It was encrypted with a passphrase: configure encryption.passphrase with the right one'
          : `It was encrypted to the key ids ${ids.join(', ')}: configure the identity of one of them`,
    })
  }
}

/** Ends without error only when the message was whole and nothing lay behind it. */
async function* untilTheEnd(
  plain: AsyncIterable<Uint8Array>,
  source: WholeSource,
): AsyncGenerator<Uint8Array> {
  try {
    yield* plain
  } catch (error) {
    throw source.failure ?? damage(error)
  }
  if (!(await source.ended())) throw damage(new Error('there are bytes behind its end'))
}

/** The encrypted bytes as a web stream that reads only when asked, and what became of them. */
class WholeSource {
  /** The source's own failure, which is no damage of the message. */
  failure: Error | undefined
  readonly stream: ReadableStream<Uint8Array>
  readonly #iterator: AsyncIterator<Uint8Array>

  constructor(source: Readable) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.#next()
          if (chunk === undefined) controller.close()
          else controller.enqueue(chunk)
        },
        cancel: () => void source.destroy(),
      },
      { highWaterMark: 0 },
    )
  }

  /** Whether every byte was taken. */
  async ended(): Promise<boolean> {
    return (await this.#next()) === undefined
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const result = await this.#iterator.next()
      return result.done === true ? undefined : result.value
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error))
      throw error
    }
  }
}

async function damageIfThrown<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw damage(error)
  }
}

/** openpgp.js tells its failures apart by their text alone. */
function damage(cause: unknown): DamageError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const [code, what] = /modification detected|authentication|unable to authenticate/i.test(text)
    ? ['mdc', 'its content was changed']
    : /unexpected end|premature|length/i.test(text)
      ? ['truncated', 'it was cut off']
      : ['malformed', text]
  return new DamageError(`message-${code}`, `The encrypted archive is damaged: ${what}`, {
    next: 'Check the vault: relay-backup verify; then use another snapshot or another copy of it',
    cause,
  })
}
