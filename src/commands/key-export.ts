import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { recordExport } from '../crypto/export-record.ts'
import { readIdentityFile } from '../crypto/identity.ts'
import { fingerprintOf } from '../crypto/key-file.ts'
import { writeKeyFiles } from '../crypto/key-store.ts'
import { expected, KeyError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { EncryptionConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { whoRuns } from '../runs/who.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { openExistingVault } from '../vault/open-vault.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { tell } from './tell.ts'

export interface KeyExportFlags {
  readonly to: string
}

/** `key export --to FILE`: a copy of the identity as it is, locked or not, mode 0600; remembers that there is one. */
export async function keyExport(
  context: CommandContext,
  _args: readonly string[],
  flags: KeyExportFlags,
): Promise<CommandOutcome> {
  const location = { file: context.globals.config, cwd: context.cwd, env: context.env }
  const config = await loadConfig(location)
  const file = identityFile(config.encryption)
  const keys = await readIdentityFile(file)
  const fingerprints = keys.map(fingerprintOf)
  const target = resolve(context.cwd, flags.to)
  await writeKeyFiles([{ path: target, content: await readFile(file), private: true }])
  await recordExport(context.env, fingerprints, context.now())
  await auditExport(context, config.vault, fingerprints)
  const locked = keys.every((key) => !key.isDecrypted())
  return {
    exitCode: ExitCode.done,
    quiet: '',
    text: [
      `Copied the identity ${fingerprints.join(', ')} to ${printable(target)}`,
      locked
        ? 'It is locked by its passphrase: keep that somewhere else as well.'
        : 'It is NOT locked by a passphrase: whoever gets this file can read every backup.',
    ].join('\n'),
    json: { file: target, fingerprints, locked },
  }
}

/** The copy is there, whatever keeps it out of the audit log. Before there is a vault there is no log. */
async function auditExport(
  context: CommandContext,
  path: string,
  fingerprints: readonly string[],
): Promise<void> {
  try {
    const vault = await openExistingVault(path, { marks: openLedgerMarks(context.env) })
    const at = context.now().toISOString()
    await vault?.recordAudit({ at, by: whoRuns(), action: 'key-export', outcome: 'done', fingerprints })
  } catch (thrown) {
    tell(context, `warning: this export is not in the audit log: ${expected(thrown).message}`)
  }
}

function identityFile(config: EncryptionConfig): string {
  if (config.mode === 'passphrase')
    throw new KeyError('The config encrypts with a passphrase: there is no identity to export', {
      next: 'Keep a copy of the passphrase itself',
    })
  const { identity } = config
  if (identity === undefined)
    throw new KeyError('The config names no identity', { next: 'Set encryption.identity in the config' })
  if ('gpg' in identity)
    throw new KeyError(`gpg holds the identity ${identity.gpg}`, {
      next: `gpg --export-secret-keys --armor --output FILE ${identity.gpg}`,
    })
  return identity.file
}
