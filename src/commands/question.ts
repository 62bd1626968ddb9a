import { InterruptedError } from '../errors.ts'

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
