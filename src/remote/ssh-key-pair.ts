import ssh2 from 'ssh2'

export interface SshKeyPair {
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string
  /** OpenSSH's own format, without a passphrase. */
  readonly privateKey: string
}

/** A new ed25519 key pair. */
export function generateSshKeyPair(): SshKeyPair {
  const { public: publicKey, private: privateKey } = ssh2.utils.generateKeyPairSync('ed25519')
  return { publicKey: publicKey.trim(), privateKey }
}
