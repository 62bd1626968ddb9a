import { createConnection } from 'node:net'
import ssh2 from 'ssh2'
import type { IdentityCallback, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2'

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

  /** Whether the agent has the key; false also when it does not answer. */
  has(): Promise<boolean> {
    return new Promise((resolve) => {
      this.getIdentities((error, keys) => resolve(!error && keys !== undefined && keys.length > 0))
    })
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

/** Whether an agent listens there. */
export function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function publicOf(key: ParsedKey): Buffer {
  return key.getPublicSSH()
}
