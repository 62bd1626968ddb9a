import { join } from 'node:path'
import { recordExport } from '../crypto/export-record.ts'
import { generateIdentity } from '../crypto/generate-identity.ts'
import { writeKeyFiles } from '../crypto/key-store.ts'

/**
 * Makes the demo's key pair. The identity is gone when the demo ends: it has no passphrase, and nobody is asked to keep
 * a copy of it. `env` has the demo's own state directory.
 */
export async function generateDemoIdentity(
  keys: string,
  env: NodeJS.ProcessEnv,
  now: Date,
): Promise<{ readonly recipient: string; readonly identity: string }> {
  const pair = await generateIdentity({ name: 'relay-backup demo', now })
  const recipient = join(keys, 'backup.pub.asc')
  const identity = join(keys, 'backup.key.asc')
  await writeKeyFiles([
    { path: identity, content: pair.privateKey, private: true },
    { path: recipient, content: pair.publicKey, private: false },
  ])
  await recordExport(env, [pair.fingerprint], now)
  return { recipient, identity }
}
