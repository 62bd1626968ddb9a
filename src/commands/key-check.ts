import { loadConfig } from '../config/load.ts'
import { checkKeys } from '../crypto/check-keys.ts'
import { wasExported } from '../crypto/export-record.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { findingTroubles } from '../report/trouble-line.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { askSecret } from './secret-prompt.ts'

/** `key check`: whether pulls can encrypt and restores can decrypt. Exit 1 when a check failed; warnings are 0. */
export async function keyCheck(context: CommandContext): Promise<CommandOutcome> {
  const { encryption } = await loadConfig({
    file: context.globals.config,
    cwd: context.cwd,
    env: context.env,
  })
  const findings = await checkKeys(encryption, {
    resolveSecret,
    askPassphrase: context.interactive ? (prompt) => askSecret(prompt, context.signal) : undefined,
    now: context.now(),
    signal: context.signal,
    wasExported: (fingerprint) => wasExported(context.env, fingerprint),
  })
  return {
    exitCode: findings.some(({ outcome }) => outcome === 'failed') ? ExitCode.failed : ExitCode.done,
    text: findings.flatMap(findingLines).join('\n'),
    quiet: findingTroubles(findings).join('\n'),
    json: { findings },
  }
}

function findingLines({ outcome, message, next }: Finding): string[] {
  return [
    `${outcome.padEnd('warning'.length)}  ${printable(message)}`,
    ...(next === undefined ? [] : [`${' '.repeat('warning'.length)}  → ${printable(next)}`]),
  ]
}
