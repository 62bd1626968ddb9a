import { printable } from '../model/path-bytes.ts'

/** What has come of it. */
export interface InitResult {
  readonly file: string
  readonly host: string
  readonly vault: string
  readonly sources: readonly string[]
  readonly notCovered: readonly string[]
  readonly troubles: readonly string[]
  readonly isPulled: boolean
}

/** What was decided about the key. */
export interface KeptIdentity {
  readonly identity: string
  /** Its copy; undefined: there is none. */
  readonly savedTo: string | undefined
  readonly isPage: boolean
  readonly isLocked: boolean
  /** Where this machine keeps the passphrase. */
  readonly keptIn: 'keychain' | 'file' | undefined
}

/** The end of `init` for a host that was added: what is there, and what comes next. */
export function newHostWords(result: InitResult): readonly string[] {
  return [
    `Added ${result.host} to ${printable(result.file)}: ${result.sources.join(', ')}`,
    ...openEnds(result),
    ...next(result),
  ]
}

/** The end of `init`: what is there, what comes next, and what to do when this machine is gone. */
export function closingWords(result: InitResult & KeptIdentity): readonly string[] {
  const { file, vault, identity, savedTo, isPage, isLocked, keptIn } = result
  return [
    `Written: ${printable(file)} (${result.host}: ${result.sources.join(', ')})`,
    `The private key: ${printable(identity)}`,
    ...openEnds(result),
    ...next(result),
    '',
    `Every night at 2: relay-backup ${flagOf(file)}schedule install --at 02:00`,
    '',
    'When this machine burns down, you need these, from somewhere else:',
    `  1. the vault: ${printable(vault)}. It is on this machine only; copy it, all of it is encrypted`,
    savedTo === undefined
      ? '  2. the private key. It is NOT SAVED elsewhere yet: relay-backup key export --to FILE'
      : `  2. the private key: ${printable(savedTo)}${isPage ? ' (print it, then delete the file)' : ' (take it away from this machine)'}`,
    isLocked
      ? `  3. its passphrase${keptIn === undefined ? '' : `, which is in a ${keptIn} of this machine only: write it down`}`
      : '  3. nothing else: the key has no passphrase, so keep it where only you are',
    '  With these any machine with gpg, zstd and tar opens a backup (see the README), or with relay-backup:',
    '  bring the config and the vault back, then relay-backup key import FILE.',
  ]
}

function openEnds({ notCovered, troubles }: InitResult): readonly string[] {
  return [
    ...(notCovered.length === 0 ? [] : ['', ...notCovered]),
    ...(troubles.length === 0 ? [] : ['', 'Not in order yet:', ...troubles.map((line) => `  ${line}`)]),
  ]
}

function next({ file, host, isPulled, troubles }: InitResult): readonly string[] {
  const config = flagOf(file)
  return [
    '',
    ...(isPulled
      ? [`Look inside: relay-backup ${config}ls ${host}/latest`]
      : [
          ...(troubles.length === 0 ? [] : [`When that is mended: relay-backup ${config}check ${host}`]),
          `The first snapshot: relay-backup ${config}pull ${host}`,
        ]),
  ]
}

/** Of a config that is not found by its name. */
const flagOf = (file: string): string =>
  /(^|\/)hosts\.yaml$/.test(file) ? '' : `--config ${printable(file)} `
