import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { RelayError } from '../errors.ts'
import type { EncryptionConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { createDecryptor } from './decryptor.ts'
import { createEncryptor } from './encryptor.ts'
import { readIdentityFile } from './identity.ts'
import type { PassphraseSources, RecipientsConfig } from './identity.ts'
import { fingerprintOf } from './key-file.ts'
import { expiryFindings, gnuPG22Findings, loadRecipients } from './recipients.ts'
import { formatCount } from '../model/units.ts'

export interface KeyCheckSources extends PassphraseSources {
  readonly now: Date
  /** Whether a copy of the identity was exported on this machine. */
  readonly wasExported: (fingerprint: string) => Promise<boolean>
}

/**
 * Everything that must be right for pulls and for restores, in the order of a person's repair. Never throws for
 * a key that is wrong.
 */
export async function checkKeys(config: EncryptionConfig, sources: KeyCheckSources): Promise<Finding[]> {
  if (config.mode === 'passphrase') return [await checkOpening(config, sources, 'The passphrase')]
  return [
    ...(await checkRecipients(config, sources.now)),
    ...(await checkIdentity(config, sources)),
    await checkOpening(config, sources, 'The identity'),
  ]
}

async function checkRecipients(config: RecipientsConfig, now: Date): Promise<Finding[]> {
  try {
    const recipients = await loadRecipients(config.recipients, now)
    const unreadable = gnuPG22Findings(recipients)
    return [
      {
        check: 'recipients-usable',
        outcome: 'ok',
        message: `${formatCount(recipients.length, 'recipient')} can be encrypted to`,
      },
      ...expiryFindings(recipients),
      ...(unreadable.length > 0
        ? unreadable
        : [
            {
              check: 'recipients-gnupg22',
              outcome: 'ok' as const,
              message: 'GnuPG 2.2 can open the archives',
            },
          ]),
    ]
  } catch (error) {
    return [failed('recipients-usable', error)]
  }
}

async function checkIdentity(config: RecipientsConfig, sources: KeyCheckSources): Promise<Finding[]> {
  const { identity } = config
  if (identity === undefined || 'gpg' in identity) return []
  try {
    const keys = await readIdentityFile(identity.file)
    const findings: Finding[] = [
      { check: 'identity-private', outcome: 'ok', message: `Only you can read ${identity.file}` },
      keys.every((key) => !key.isDecrypted())
        ? { check: 'identity-locked', outcome: 'ok', message: 'A passphrase locks the identity' }
        : {
            check: 'identity-locked',
            outcome: 'warning',
            message: `The identity lies unencrypted in ${identity.file}: whoever gets the file can read every backup`,
            next: 'Lock it with gpg (--import, --change-passphrase, --export-secret-keys), or make a new pair for what is pulled from then on: relay-backup key generate',
          },
    ]
    const exported = await Promise.all(keys.map((key) => sources.wasExported(fingerprintOf(key))))
    findings.push(
      exported.every(Boolean)
        ? { check: 'identity-exported', outcome: 'ok', message: 'A copy of the identity was exported' }
        : {
            check: 'identity-exported',
            outcome: 'warning',
            message:
              'No copy of the identity was exported from here: without it these backups can not be opened',
            next: 'Keep a copy elsewhere: relay-backup key export --to FILE',
          },
    )
    return findings
  } catch (error) {
    return [failed('identity-private', error)]
  }
}

/** The one check that counts in the end: what is encrypted now comes back. */
async function checkOpening(
  config: EncryptionConfig,
  sources: KeyCheckSources,
  what: string,
): Promise<Finding> {
  const check = 'identity-opens'
  try {
    const plain = randomBytes(1000)
    const { encryptor } = await createEncryptor(config, sources)
    const { stream } = await encryptor.encrypt()
    const message = await buffer(Readable.from([plain]).pipe(stream))
    const decryptor = await createDecryptor(config, sources)
    const opened = await buffer(await decryptor.decrypt(Readable.from([message])))
    if (opened.equals(plain)) return { check, outcome: 'ok', message: `${what} opens a test message` }
    return { check, outcome: 'failed', message: `${what} opens a test message, but it came back changed` }
  } catch (error) {
    return failed(check, error)
  }
}

function failed(check: string, error: unknown): Finding {
  if (!(error instanceof RelayError)) throw error
  return { check, outcome: 'failed', message: error.message, next: error.details.next }
}
