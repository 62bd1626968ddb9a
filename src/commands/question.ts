import { InterruptedError, UsageError } from '../errors.ts'
import type { CommandContext } from './context.ts'

/** Runs a prompt; Ctrl-C in it, or an abort, is an interruption like any other. */
export async function ask<T>(prompt: () => Promise<T>): Promise<T> {
  try {
    return await prompt()
  } catch (error) {
    if (error instanceof Error && /^(ExitPromptError|AbortPromptError)$/.test(error.name))
      throw new InterruptedError()
    throw error
  }
}

/** Asks whether to do this, a sentence without its stop. Throws UsageError where nobody can be asked. */
export async function confirmed(
  { interactive, signal }: CommandContext,
  host: string,
  what: string,
): Promise<boolean> {
  if (!interactive) {
    throw new UsageError('Nobody can be asked to confirm', {
      host,
      next: `It would be: ${what}. Add --yes.`,
    })
  }
  const prompts = await import('@inquirer/prompts')
  return await ask(() =>
    prompts.confirm({ message: `${what}?`, default: false }, { signal, output: process.stderr }),
  )
}
