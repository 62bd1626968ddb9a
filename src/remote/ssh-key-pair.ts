import ssh2 from 'ssh2'

export interface SshKeyPair {
  /** OpenSSH private key file, without a passphrase. */
  readonly privateKey: string
  /** One line: type, key. */
  readonly publicKey: string
}

/** A new ed25519 key pair in OpenSSH's formats. */
export function generateSshKeyPair(): SshKeyPair {
  const { private: privateKey, public: publicKey } = ssh2.utils.generateKeyPairSync('ed25519')
  return { privateKey, publicKey }
}
