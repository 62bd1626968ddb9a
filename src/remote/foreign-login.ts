import type { Client, ParsedKey } from 'ssh2'
import { isForeign } from './foreign-key.ts'
import { sshString } from './ssh-string.ts'

/** What ssh2 has inside and does not declare. */
interface Protocol {
  readonly _kex: { readonly sessionID: Buffer }
  readonly _kexinit: unknown
  readonly _authsQueue: string[]
  readonly _packetRW: {
    readonly write: {
      alloc(size: number): Buffer
      readonly allocStart: number
      finalize(packet: Buffer): Buffer
    }
  }
  readonly _cipher: { encrypt(packet: Buffer): void }
  authPK(
    user: string,
    key: ParsedKey,
    algorithm: string | undefined,
    sign?: (data: Buffer, done: (signature: Buffer) => void) => void,
  ): void
}

const USERAUTH_REQUEST = 50

/**
 * Teaches a client to log in with certificates and keys of security tokens. ssh2 knows neither, and writes the key's own
 * type as that of the signature, too, while a signature by a certified key has the type of the plain key
 * (PROTOCOL.certkeys of OpenSSH). To be called after `connect`.
 *
 * @param signing called when a signature is asked for; what it returns, when the signature is there: a person may have
 *   to touch a token for it.
 */
export function allowForeignKeys(client: Client, signing: () => () => void): void {
  const protocol = (client as unknown as { readonly _protocol: Protocol })._protocol
  const plain = protocol.authPK.bind(protocol)
  protocol.authPK = (user, key, algorithm, sign) => {
    if (!isForeign(key)) return plain(user, key, algorithm, sign)
    if (sign === undefined) return plain(user, key, key.algorithm)
    const request = Buffer.concat([
      Buffer.from([USERAUTH_REQUEST]),
      ...[user, 'ssh-connection', 'publickey'].map((text) => sshString(Buffer.from(text))),
      Buffer.from([1]),
      sshString(Buffer.from(key.algorithm)),
      sshString(key.getPublicSSH()),
    ])
    const signed = Buffer.concat([sshString(protocol._kex.sessionID), request])
    const done = signing()
    // A server answers an empty signature by a refusal, and the next way is tried. What ended meanwhile takes nothing.
    void key
      .signatureBlob(signed)
      .catch(() => Buffer.alloc(0))
      .then((signature) => {
        done()
        if (isOpen(client)) send(protocol, Buffer.concat([request, sshString(signature)]))
      })
  }
}

function isOpen(client: Client): boolean {
  return (client as unknown as { readonly _sock?: { readonly writable: boolean } })._sock?.writable === true
}

function send(protocol: Protocol, payload: Buffer): void {
  const { write } = protocol._packetRW
  const packet = write.alloc(payload.length)
  packet.set(payload, write.allocStart)
  protocol._authsQueue.push('publickey')
  protocol._cipher.encrypt(write.finalize(packet))
}
