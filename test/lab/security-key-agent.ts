import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { sshString } from '../../src/remote/ssh-string.ts'

const TYPE = 'sk-ssh-ed25519@openssh.com'
const APPLICATION = 'ssh:'
/** Somebody has touched the token. */
const PRESENT = 1

/** An ssh-agent with one key of a security token, which is made of software (PROTOCOL.u2f of OpenSSH). */
export interface SecurityKeyAgent extends AsyncDisposable {
  readonly socket: string
  /** As in authorized_keys. */
  readonly publicKey: string
  /** From here on it does not sign, as when nobody touches the token. */
  refuse(): void
}

export async function startSecurityKeyAgent(socket: string): Promise<SecurityKeyAgent> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const text = (value: string) => sshString(Buffer.from(value))
  const blob = Buffer.concat([text(TYPE), sshString(point), text(APPLICATION)])
  let refuses = false
  const signature = (data: Buffer) => {
    const state = Buffer.from([PRESENT, 0, 0, 0, 1])
    const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest()
    const signed = sign(undefined, Buffer.concat([sha256(APPLICATION), state, sha256(data)]), privateKey)
    return Buffer.concat([text(TYPE), sshString(signed), state])
  }
  const answer = (question: Buffer) => {
    if (question[0] === 11)
      return Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), sshString(blob), text('token')])
    if (question[0] !== 13 || refuses) return Buffer.from([5])
    const data = question.subarray(5 + blob.length)
    return Buffer.concat([
      Buffer.from([14]),
      sshString(signature(data.subarray(4, 4 + data.readUInt32BE(0)))),
    ])
  }
  const server = createServer((connection) => {
    let read = Buffer.alloc(0)
    connection.on('error', () => {})
    connection.on('data', (chunk) => {
      read = Buffer.concat([read, chunk])
      while (read.length >= 4 && read.length >= 4 + read.readUInt32BE(0)) {
        const end = 4 + read.readUInt32BE(0)
        connection.write(sshString(answer(read.subarray(4, end))))
        read = read.subarray(end)
      }
    })
  })
  server.listen(socket)
  await once(server, 'listening')
  return {
    socket,
    publicKey: `${TYPE} ${blob.toString('base64')}`,
    refuse: () => (refuses = true),
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}
