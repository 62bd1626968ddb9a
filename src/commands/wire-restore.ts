import { openArchive } from '../archive/open-archive.ts'
import { passTree } from '../archive/pass-tree.ts'
import { createDecryptor } from '../crypto/decryptor.ts'
import { refusingEncryptor } from '../crypto/encryptor.ts'
import { KeyError } from '../errors.ts'
import type { Config } from '../model/config.ts'
import type { RestorePlan } from '../model/restore-report.ts'
import type { RestoreDependencies } from '../restore/dependencies.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { restorableOf } from '../sources/registry.ts'
import type { CommandContext } from './context.ts'
import { askSecret } from './secret-prompt.ts'
import { wireEncryptor, wirePull, type Wired } from './wire-pull.ts'

/**
 * The parts of a restore, from the config. Disposing them ends the progress display and the log. A restore needs no
 * recipient until it takes a safety snapshot. So with `mustEncrypt` unset, a KeyError about the recipients waits until
 * then.
 */
export async function wireRestore(
  context: CommandContext,
  config: Config,
  confirm: (plan: RestorePlan) => Promise<boolean>,
  options: { readonly mustEncrypt?: boolean } = {},
): Promise<Wired<RestoreDependencies>> {
  const decryptor = await createDecryptor(config.encryption, {
    resolveSecret,
    signal: context.signal,
    ...(context.interactive ? { askPassphrase: (prompt: string) => askSecret(prompt, context.signal) } : {}),
  })
  // Questions and a live list do not share a terminal.
  const mode = context.progress.mode === 'tty' ? 'plain' : context.progress.mode
  const plain: CommandContext = { ...context, progress: { ...context.progress, mode } }
  const encryption = await encryptionOf(plain, config, options.mustEncrypt ?? false)
  const pull = await wirePull(plain, config, { bandwidth: undefined }, encryption)
  return {
    dependencies: {
      pull: pull.dependencies,
      cannotEncrypt: encryption.problem,
      decryptor,
      openArchive,
      passTree,
      restorableOf,
      confirm,
    },
    [Symbol.asyncDispose]: () => pull[Symbol.asyncDispose](),
  }
}

async function encryptionOf(
  context: CommandContext,
  config: Config,
  mustEncrypt: boolean,
): Promise<Awaited<ReturnType<typeof wireEncryptor>> & { readonly problem?: KeyError }> {
  try {
    return await wireEncryptor(context, config)
  } catch (problem) {
    if (mustEncrypt || !(problem instanceof KeyError)) throw problem
    return { encryptor: refusingEncryptor(problem), findings: [], problem }
  }
}
