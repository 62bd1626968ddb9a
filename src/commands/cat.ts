import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { parseAddress, sourceNamed } from '../look/address.ts'
import { catFile } from '../look/cat-file.ts'
import { resolvePath } from '../look/resolve-path.ts'
import { resolveSnapshot } from '../vault/resolve-snapshot.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { wireLook } from './wire-look.ts'

/** `cat SNAPSHOT SOURCE:PATH`: the bytes of one file on stdout. */
export async function cat(context: CommandContext, args: readonly string[]): Promise<CommandOutcome> {
  const [reference = 'latest', text = ''] = args
  if (context.globals.json) {
    throw new UsageError('`cat` writes the file itself, and no JSON', { next: 'Leave out --json' })
  }
  const address = parseAddress(text)
  const dependencies = await wireLook(context)
  const snapshot = await resolveSnapshot(dependencies.vault, reference)
  const source = sourceNamed(address, snapshot.manifest.sources, `${snapshot.host}/${snapshot.id}`)
  const found = await resolvePath({ snapshot, source }, address, dependencies)
  await catFile({ snapshot, source }, found, context.output, dependencies, context.signal)
  return { exitCode: ExitCode.done, text: '', json: undefined }
}
