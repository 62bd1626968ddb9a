import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runTour } from '../demo/tour.ts'
import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { list } from './list.ts'
import { pull } from './pull.ts'
import { restore } from './restore.ts'
import { tell } from './tell.ts'
import { verify } from './verify.ts'
import { generateDemoIdentity } from './demo-identity.ts'

/** `demo`: the whole story on this machine with nothing configured; removes what it made unless `--keep`. */
export async function demo(
  context: CommandContext,
  _args: readonly string[],
  flags: { readonly keep?: string },
): Promise<CommandOutcome> {
  const directory = await placeFor(context, flags.keep)
  try {
    const inDemo: CommandContext = {
      ...context,
      env: { ...context.env, XDG_STATE_HOME: join(directory, 'state') },
    }
    const withConfig = (config: string): CommandContext => ({
      ...inDemo,
      globals: { ...context.globals, config },
    })
    const steps = await runTour({
      directory,
      signal: context.signal,
      tell: (text) => tell(context, text),
      generateIdentity: (keys) => generateDemoIdentity(keys, inDemo.env, context.now()),
      pull: (config) => pull(withConfig(config), ['sample'], { rotate: true }),
      list: (config) => list(withConfig(config), []),
      verify: (config) => verify(withConfig(config), [], { all: true }),
      restore: (config) =>
        restore(withConfig(config), [], {
          host: 'second',
          from: 'sample',
          strategy: 'replace',
          yes: true,
          start: true,
          safety: true,
        }),
    })
    const kept = flags.keep === undefined ? '' : `Everything is in ${directory}`
    const failed = steps.find((step) => step.exitCode !== ExitCode.done)
    return { exitCode: failed?.exitCode ?? ExitCode.done, text: kept, json: { steps } }
  } finally {
    if (flags.keep === undefined) await rm(directory, { recursive: true, force: true })
  }
}

async function placeFor(context: CommandContext, keep: string | undefined): Promise<string> {
  if (keep === undefined) return mkdtemp(join(tmpdir(), 'relay-backup-demo-'))
  const directory = resolve(context.cwd, keep)
  try {
    await mkdir(directory)
    await writeFile(
      join(directory, 'README.txt'),
      'Made by: relay-backup demo --keep. Delete it whenever you like.\n',
    )
  } catch (cause) {
    throw new UsageError(`--keep ${keep}: the directory can't be made there, or it exists already`, {
      next: 'Name a directory that does not exist yet.',
      cause,
    })
  }
  return directory
}
