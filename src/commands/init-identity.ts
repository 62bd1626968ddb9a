import { access } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { recordExport } from '../crypto/export-record.ts'
import { generateIdentity } from '../crypto/generate-identity.ts'
import { readIdentityFile } from '../crypto/identity.ts'
import { fingerprintOf } from '../crypto/key-file.ts'
import { writeKeyFiles, type NewKeyFile } from '../crypto/key-store.ts'
import { InterruptedError, KeyError, UsageError } from '../errors.ts'
import { identityPage } from '../init/identity-page.ts'
import { homeDirectory } from '../model/home.ts'
import type { Secret, SecretReference } from '../model/secret.ts'
import { deleteFromKeychain, readKeychain, systemKeychain, writeKeychain } from '../secrets/keychain.ts'
import type { CommandContext } from './context.ts'
import type { InitTalk } from './init-talk.ts'
import { removeMade } from './init-write.ts'
import { newPassphrase, type PassphraseFlags } from './key-passphrase.ts'
import { askNewSecret } from './secret-prompt.ts'
import { tell } from './tell.ts'

export interface IdentityFlags extends PassphraseFlags {
  readonly identityCopy?: string
  readonly identityPage?: string
}

/** The key pair that a new config names: one that is there already, or one that is going to be made. */
export interface PlannedIdentity {
  readonly publicFile: string
  readonly privateFile: string
  /** As the config names them. */
  readonly recipient: string
  readonly identity: string
  readonly exists: boolean
  readonly reference: SecretReference | undefined
  /** Of a new one. */
  readonly passphrase: Secret | undefined
  /** Where the passphrase goes when the identity is made; its reference says the same. */
  readonly keep: 'keychain' | 'file' | undefined
  readonly copy: string | undefined
  readonly page: string | undefined
}

/** ms that a keychain may take to say whether it is there; a person may have to unlock it. */
const KEYCHAIN_PATIENCE = 15_000
const PASSPHRASE_FILE = 'passphrase'

/** Decides on the key pair beside a config file. Nothing is written, and without a person nothing is asked. */
export async function planIdentity(
  context: CommandContext,
  file: string,
  flags: IdentityFlags,
  talk: InitTalk | undefined,
): Promise<PlannedIdentity> {
  const directory = join(dirname(file), 'keys')
  const publicFile = join(directory, 'backup.pub.asc')
  const privateFile = join(directory, 'backup.key.asc')
  const inConfig = (path: string): string => relative(dirname(file), path).split(sep).join('/')
  const [hasPublic, hasPrivate] = [await isThere(publicFile), await isThere(privateFile)]
  if (hasPublic !== hasPrivate)
    throw new KeyError(`There is half of a key pair: ${hasPublic ? publicFile : privateFile}`, {
      next: 'Bring the other half back, or move that one away: it may be the key of older backups',
    })
  const files = { publicFile, privateFile, recipient: inConfig(publicFile), identity: inConfig(privateFile) }
  const passphrase = hasPublic
    ? { ...NO_PASSPHRASE, reference: givenReference(context, flags) }
    : await planPassphrase(context, directory, inConfig, flags, talk)
  return { ...files, exists: hasPublic, ...passphrase, ...(await planCopies(context, flags, talk)) }
}

type PlannedPassphrase = Pick<PlannedIdentity, 'reference' | 'passphrase' | 'keep'>
const NO_PASSPHRASE: PlannedPassphrase = { reference: undefined, passphrase: undefined, keep: undefined }

/** Of a key pair that is there: what the flags say of its passphrase. */
function givenReference(context: CommandContext, flags: PassphraseFlags): SecretReference | undefined {
  if (flags.passphraseKeychain !== undefined) return { keychain: flags.passphraseKeychain }
  if (flags.passphraseEnv !== undefined) return { env: flags.passphraseEnv }
  if (flags.passphraseFile !== undefined) return { file: resolve(context.cwd, flags.passphraseFile) }
  return flags.passphraseCommand === undefined ? undefined : { command: flags.passphraseCommand }
}

async function planPassphrase(
  context: CommandContext,
  directory: string,
  inConfig: (path: string) => string,
  flags: IdentityFlags,
  talk: InitTalk | undefined,
): Promise<PlannedPassphrase> {
  const isGiven = flags.passphrase === false || givenReference(context, flags) !== undefined
  if (talk === undefined || isGiven) {
    const { secret, reference } = await newPassphrase({ ...context, interactive: false }, flags)
    return { passphrase: secret, reference, keep: undefined }
  }
  const entry = await freeKeychainEntry(context.signal)
  const place = await talk.choose(
    entry === undefined
      ? 'No keychain answers here. Where shall the passphrase of the key be?'
      : 'Where shall the passphrase of the private key be?',
    [
      ...(entry === undefined
        ? []
        : [{ value: 'keychain', name: `in this machine's keychain (${entry})` } as const]),
      { value: 'nowhere', name: 'in my head: a restore asks for it, and pulls need none' },
      {
        value: 'file',
        name: `in a file that only I can read (${inConfig(join(directory, PASSPHRASE_FILE))})`,
      },
      { value: 'none', name: 'no passphrase: whoever gets the key file can read every backup' },
    ],
  )
  if (place === 'none') return NO_PASSPHRASE
  const passphrase = await patiently(context)
  if (place === 'nowhere') return { ...NO_PASSPHRASE, passphrase }
  return place === 'keychain' && entry !== undefined
    ? { passphrase, reference: { keychain: entry }, keep: 'keychain' }
    : { passphrase, reference: { file: inConfig(join(directory, PASSPHRASE_FILE)) }, keep: 'file' }
}

/** A slip of the finger is no reason to begin anew. */
async function patiently(context: CommandContext): Promise<Secret> {
  for (;;) {
    try {
      return await askNewSecret('Passphrase for the new identity', context.signal)
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      tell(context, `${error.message}. ${error.details.next ?? ''}`)
    }
  }
}

/** A name that the keychain has no secret under; undefined when there is no keychain. */
async function freeKeychainEntry(signal: AbortSignal): Promise<string | undefined> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(KEYCHAIN_PATIENCE)])
  try {
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? 'relay-backup/identity' : `relay-backup/identity-${number}`
      if ((await readKeychain(systemKeychain, name, bounded)) === undefined) return name
    }
  } catch {
    if (signal.aborted) throw new InterruptedError()
    return undefined
  }
}

async function planCopies(
  context: CommandContext,
  flags: IdentityFlags,
  talk: InitTalk | undefined,
): Promise<Pick<PlannedIdentity, 'copy' | 'page'>> {
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(context.cwd, path))
  const given = { copy: at(flags.identityCopy), page: at(flags.identityPage) }
  if (talk === undefined || given.copy !== undefined || given.page !== undefined) return given
  const how = await talk.choose('Without the private key no backup opens. Where is it kept besides here?', [
    { value: 'page', name: 'on paper: a page to print, with a QR code' },
    { value: 'copy', name: 'in another file, as on a USB stick' },
    { value: 'later', name: 'later' },
  ])
  if (how === 'later') return given
  const home = homeDirectory(context.env)
  const path = await talk.text('Which file?', {
    initial: join(home, how === 'page' ? 'relay-backup-identity.html' : 'relay-backup-identity.asc'),
    problem: (text) => (text === '' ? 'a file is needed' : undefined),
  })
  const full = resolve(
    context.cwd,
    path.replace(/^~(?=\/)/, () => home),
  )
  if (await isThere(full))
    throw new UsageError(`The file ${full} exists already; keys are never overwritten`, {
      next: 'Name another one, or move that file away first',
    })
  return how === 'page' ? { copy: undefined, page: full } : { copy: full, page: undefined }
}

/** A key pair that is on the disk. */
export interface MadeIdentity {
  readonly fingerprint: string
  readonly isLocked: boolean
}

/**
 * Makes the key pair, keeps its passphrase, and puts copies where they were planned. `undo` gets what takes all of it back.
 */
export async function makeIdentity(
  context: CommandContext,
  planned: PlannedIdentity,
  undo: (work: () => Promise<void>) => void,
): Promise<MadeIdentity> {
  const { publicFile, privateFile, passphrase, reference, keep } = planned
  const write = async (files: readonly NewKeyFile[]): Promise<void> => {
    await writeKeyFiles(files)
    undo(() => removeMade(files.map(({ path }) => path)))
  }
  if (!planned.exists) {
    const made = await generateIdentity({ name: 'relay-backup', passphrase, now: context.now() })
    await write([
      { path: privateFile, content: made.privateKey, private: true },
      { path: publicFile, content: made.publicKey, private: false },
    ])
    if (keep === 'file' && passphrase !== undefined) {
      const path = join(dirname(privateFile), PASSPHRASE_FILE)
      await write([{ path, content: `${passphrase.reveal()}\n`, private: true }])
    }
    if (
      keep === 'keychain' &&
      passphrase !== undefined &&
      reference !== undefined &&
      'keychain' in reference
    ) {
      const name = reference.keychain
      await writeKeychain(systemKeychain, name, passphrase)
      undo(async () => void (await deleteFromKeychain(systemKeychain, name)))
    }
  }
  const keys = await readIdentityFile(privateFile)
  const fingerprints = keys.map(fingerprintOf)
  const fingerprint = fingerprints.join(', ')
  const isLocked = keys.every((key) => !key.isDecrypted())
  const privateKey = keys.map((key) => key.armor()).join('')
  const copies = [
    ...(planned.copy === undefined ? [] : [{ path: planned.copy, content: privateKey, private: true }]),
    ...(planned.page === undefined
      ? []
      : [
          {
            path: planned.page,
            content: page({ privateKey, fingerprint, isLocked, now: context.now() }),
            private: true,
          },
        ]),
  ]
  if (copies.length > 0) {
    await write(copies)
    await recordExport(context.env, fingerprints, context.now())
  }
  return { fingerprint, isLocked }
}

function page(content: Parameters<typeof identityPage>[0]): string {
  try {
    return identityPage(content)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new KeyError('The private key is too long for a QR code', {
      next: 'Keep it in a file: --identity-copy FILE',
      cause,
    })
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
