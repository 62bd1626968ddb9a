import { createConnection } from 'node:net'
import ssh2 from 'ssh2'
import type { IdentityCallback, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2'
import { sshString } from './ssh-string.ts'

const REQUEST_IDENTITIES = 11
const IDENTITIES_ANSWER = 12
const SIGN_REQUEST = 13
const SIGN_RESPONSE = 14
/** The flag of a request; it means something to RSA keys only. */
const RSA_SHA2_512 = 4
/** ms */
const LIST_PATIENCE = 10_000
const LONGEST_ANSWER = 256 * 1024

/** An agent that offers just one of its keys, as OpenSSH uses the one whose public half `IdentityFile` names. */
export class AgentKey extends ssh2.BaseAgent {
  readonly #agent: ssh2.BaseAgent
  readonly #wanted: Buffer

  /** @param publicKey as it goes over the wire */
  constructor(socketPath: string, publicKey: Buffer) {
    super()
    this.#agent = ssh2.createAgent(socketPath)
    this.#wanted = publicKey
  }

  override getIdentities(callback: IdentityCallback): void {
    this.#agent.getIdentities((error, keys) => {
      if (error) callback(error)
      else
        callback(
          null,
          (keys as ParsedKey[]).filter((key) => publicOf(key).equals(this.#wanted)),
        )
    })
  }

  override sign(
    key: ParsedKey | Buffer | string,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    if (typeof options === 'function') this.#agent.sign(key, data, options)
    else this.#agent.sign(key, data, options, callback)
  }
}

/**
 * The keys and certificates that an agent has, as they go over the wire, in its order. Undefined where none answers
 * within 10 s.
 */
export async function agentIdentities(socketPath: string): Promise<Buffer[] | undefined> {
  const answer = await ask(
    socketPath,
    Buffer.from([REQUEST_IDENTITIES]),
    AbortSignal.timeout(LIST_PATIENCE),
  ).catch(() => undefined)
  if (answer?.[0] !== IDENTITIES_ANSWER) return undefined
  const identities: Buffer[] = []
  let at = 5
  const field = () => {
    const value = answer.subarray(at + 4, at + 4 + answer.readUInt32BE(at))
    at += 4 + value.length
    return value
  }
  while (at < answer.length) {
    identities.push(field())
    // A comment follows each key.
    field()
  }
  return identities
}

/** The signature of an agent, as it goes over the wire. Rejects when it does not sign. */
export async function signByAgent(
  socketPath: string,
  publicKey: Buffer,
  data: Buffer,
  signal: AbortSignal,
): Promise<Buffer> {
  const flags = Buffer.from([0, 0, 0, RSA_SHA2_512])
  const answer = await ask(
    socketPath,
    Buffer.concat([Buffer.from([SIGN_REQUEST]), sshString(publicKey), sshString(data), flags]),
    signal,
  )
  if (answer[0] !== SIGN_RESPONSE) throw new Error('the agent does not sign')
  return answer.subarray(5)
}

/** One question to an agent, and its answer without the length (draft-miller-ssh-agent). */
async function ask(socketPath: string, question: Buffer, signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted()
  const socket = createConnection(socketPath)
  const abort = () => socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    socket.write(sshString(question))
    let answer = Buffer.alloc(0)
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      answer = Buffer.concat([answer, chunk])
      const length = answer.length < 4 ? Infinity : answer.readUInt32BE(0)
      if (answer.length >= 4 + length) return answer.subarray(4, 4 + length)
      if (length !== Infinity && length > LONGEST_ANSWER) break
    }
    throw new Error('the agent gave no answer')
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}

function publicOf(key: ParsedKey): Buffer {
  return key.getPublicSSH()
}
