import type { Key, PublicKey } from 'openpgp'
import { KeyError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { Finding } from '../model/finding.ts'
import { unreadableByGnuPG22 } from './gnupg22.ts'
import { fingerprintOf, readKeyFile } from './key-file.ts'

/** A certificate that archives can be encrypted to. */
export interface Recipient {
  readonly file: string
  readonly fingerprint: string
  readonly key: PublicKey
  /** Why GnuPG 2.2 can't open what is encrypted to it; undefined when it can. */
  readonly unreadableByGnuPG22: string | undefined
  /** When the recipient expires, if that is soon. */
  readonly expires: Date | undefined
}

/** A person is told this long before a recipient expires. */
const EXPIRY_NOTICE_MS = 30 * 86_400_000

/**
 * Reads and checks every certificate of the given files. When one of them can't be used at `now`, all are refused: an
 * archive that only some of the configured people can open is not the backup that they count on. Throws KeyError that
 * names file and fingerprint.
 *
 * @param except fingerprints of certificates that are passed over
 */
export async function loadRecipients(
  files: readonly string[],
  now: Date,
  except: ReadonlySet<string> = new Set(),
): Promise<Recipient[]> {
  const recipients = new Map<string, Recipient>()
  for (const file of files)
    for (const key of await readKeyFile(file)) {
      if (except.has(fingerprintOf(key))) continue
      const recipient = await checkRecipient(key, file, now)
      recipients.set(recipient.fingerprint, recipient)
    }
  return [...recipients.values()]
}

/** Warnings about recipients that can be used. */
export function recipientFindings(recipients: readonly Recipient[]): Finding[] {
  return [...expiryFindings(recipients), ...gnuPG22Findings(recipients)]
}

/** A warning for each recipient that expires within 30 days. */
export function expiryFindings(recipients: readonly Recipient[]): Finding[] {
  return recipients.flatMap(({ file, fingerprint, expires }) =>
    expires === undefined
      ? []
      : [
          {
            check: 'recipients-expiry',
            outcome: 'warning' as const,
            message: `The recipient ${fingerprint} (${file}) expires on ${day(expires)}: pulls fail from then on`,
            next: `Extend it (gpg --quick-set-expire ${fingerprint} 2y, and again with '*' for its subkeys), and export it again into that file: gpg --export --armor ${fingerprint}`,
          },
        ],
  )
}

/** A warning for each recipient that GnuPG 2.2 can't open. */
export function gnuPG22Findings(recipients: readonly Recipient[]): Finding[] {
  return recipients.flatMap(({ file, fingerprint, unreadableByGnuPG22: why }) =>
    why === undefined
      ? []
      : [
          {
            check: 'recipients-gnupg22',
            outcome: 'warning' as const,
            message: `GnuPG 2.2 can't open archives for the recipient ${fingerprint} (${file}): ${why}`,
            next: 'For a recovery with gpg alone use a key made by: relay-backup key generate',
          },
        ],
  )
}

async function checkRecipient(key: Key, file: string, now: Date): Promise<Recipient> {
  const fingerprint = fingerprintOf(key)
  const unusable = (why: string, next: string, cause?: unknown) =>
    new KeyError(`The recipient ${fingerprint} (${file}) can't be used: ${why}`, { next, cause })

  if (key.getCreationTime() > now)
    throw unusable(
      `it was made on ${day(key.getCreationTime())}, after the time of this computer's clock`,
      'Set the clock right, or use another key',
    )
  if (await key.isRevoked(undefined, undefined, now))
    throw unusable('it is revoked', 'Use another recipient: relay-backup key generate')
  const expires = await key.getExpirationTime()
  if (expires instanceof Date && expires <= now)
    throw unusable(
      `it expired on ${day(expires)}`,
      `Extend it (gpg --quick-set-expire ${fingerprint} 2y), export it again into that file, or use another one`,
    )
  try {
    await key.verifyPrimaryKey(now)
  } catch (cause) {
    throw unusable(reason(cause), 'Export the certificate again: gpg --export --armor KEYID', cause)
  }
  try {
    const encryptionKey = await key.getEncryptionKey(undefined, now)
    return {
      file,
      fingerprint,
      key: key.toPublic(),
      unreadableByGnuPG22: unreadableByGnuPG22(key, encryptionKey),
      expires: await expiresSoon(key, expires, now),
    }
  } catch (cause) {
    throw unusable(
      `it has no encryption subkey that is valid now (${reason(cause)})`,
      `Add one (gpg --quick-add-key ${fingerprint} default encr) and export it again, or use another recipient`,
      cause,
    )
  }
}

/**
 * When the recipient expires, if that is within {@link EXPIRY_NOTICE_MS}. Another subkey may outlive the one in use.
 */
async function expiresSoon(
  key: Key,
  ofPrimary: Date | typeof Infinity | null,
  now: Date,
): Promise<Date | undefined> {
  const soon = new Date(now.getTime() + EXPIRY_NOTICE_MS)
  const primary = ofPrimary instanceof Date && ofPrimary <= soon ? [ofPrimary] : []
  const isUsable = await key.getEncryptionKey(undefined, soon).then(
    () => true,
    () => false,
  )
  if (isUsable) return primary[0]
  const times = await Promise.all(
    key.subkeys.map(async (subkey) => subkey.getExpirationTime(soon).catch(() => null)),
  )
  const subkeys = times.filter((time) => time instanceof Date && time > now && time <= soon) as Date[]
  const last = subkeys.sort((left, right) => left.getTime() - right.getTime()).at(-1)
  const dates = [...primary, ...(last === undefined ? [] : [last])]
  return dates.length === 0 ? soon : new Date(Math.min(...dates.map((date) => date.getTime())))
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}

function reason(cause: unknown): string {
  return printable(cause instanceof Error ? cause.message : String(cause))
}
