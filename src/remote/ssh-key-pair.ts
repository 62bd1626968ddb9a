import ssh2 from 'ssh2'

export interface SshKeyPair {
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string
  /** OpenSSH's own format, without a passphrase. */
  readonly privateKey: string
}

/** A new ed25519 key pair. */
export function generateSshKeyPair(): SshKeyPair {
  for (;;) {
    const { public: publicKey, private: privateKey } = ssh2.utils.generateKeyPairSync('ed25519')
    // ssh2 writes about one key in two hundred in a form that ssh2 itself can't read.
    if (isReadable(publicKey) && isReadable(privateKey)) return { publicKey: publicKey.trim(), privateKey }
  }
}

function isReadable(key: string): boolean {
  return !(ssh2.utils.parseKey(key) instanceof Error)
}
