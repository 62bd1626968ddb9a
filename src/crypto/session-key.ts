/** A message's session key, the cipher named as openpgp.js does: `aes256`. */
export interface SessionKey {
  /** Empty where the message itself names the cipher (SEIPD version 2). */
  readonly algorithm: string
  readonly data: Uint8Array
}
