import type { Readable, Transform } from 'node:stream'

/** Encrypts archives to the configured recipients or passphrase. Made once a run; makes one stream an archive. */
export interface Encryptor {
  /** Fingerprints, upper-case hex; empty in passphrase mode. */
  readonly recipients: readonly string[]
  /**
   * In passphrase mode: a text that tells this passphrase from others. Guessing the passphrase from the text is as slow
   * as guessing it from an archive.
   */
  readonly passphraseTag?: (salt: string) => Promise<string>
  /** A new OpenPGP message: plain bytes in, binary message out. Constant memory, honours back-pressure. */
  encrypt(): Promise<EncryptedMessage>
}

/** A message on its way. */
export interface EncryptedMessage {
  readonly stream: Transform
  /** How many bytes of what comes out are the session-key packets; the body follows them. */
  readonly headBytes: number
}

/** Hands the session keys of messages to other recipients. No content is decrypted. */
export interface Rewrapper {
  /** Fingerprints of those that new packets are for, upper-case hex. */
  readonly recipients: readonly string[]
  /** How many bytes behind the session-key packets have to be seen. */
  readonly bodyStart: number
  /** Whether a message's packets are for these recipients and nobody else. Throws DamageError. */
  isDone(start: Uint8Array): Promise<boolean>
  /**
   * New session-key packets for a message that starts so, and where its body begins. Throws KeyError when the identity
   * does not open it, and when a passphrase does; DamageError when it is no message.
   */
  rewrap(start: Uint8Array): Promise<{ readonly head: Uint8Array; readonly offset: number }>
}

/** Opens messages with the identity or the passphrase. */
export interface Decryptor {
  /**
   * The plain bytes of a message, streaming and in constant memory. They are unauthenticated until the stream
   * ended without error: hold back every lasting effect until then (docs/design/keys.md). Errors: KeyError
   * when the identity does not open it, DamageError when the message is damaged or cut.
   */
  decrypt(message: Readable): Promise<Readable>
}
