import { join } from 'node:path'
import { generateIdentity } from '../crypto/generate-identity.ts'
import { writeKeyFiles } from '../crypto/key-store.ts'

/** Makes the demo's key pair; the identity has no passphrase because it is gone when the demo ends. */
export async function generateDemoIdentity(
  keys: string,
  now: Date,
): Promise<{ readonly recipient: string; readonly identity: string }> {
  const pair = await generateIdentity({ name: 'relay-backup demo', now })
  const recipient = join(keys, 'backup.pub.asc')
  const identity = join(keys, 'backup.key.asc')
  await writeKeyFiles([
    { path: identity, content: pair.privateKey, private: true },
    { path: recipient, content: pair.publicKey, private: false },
  ])
  return { recipient, identity }
}
