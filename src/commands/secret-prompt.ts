import { InterruptedError, UsageError } from '../errors.ts'
import { Secret } from '../model/secret.ts'

/** Asks for a secret at the terminal; nothing of it is shown. Throws InterruptedError on Ctrl-C. */
export async function askSecret(prompt: string, signal: AbortSignal): Promise<Secret> {
  const { password } = await import('@inquirer/prompts')
  try {
    // On stderr: stdout is for results.
    return new Secret(await password({ message: prompt, mask: false }, { signal, output: process.stderr }))
  } catch (error) {
    if (error instanceof Error && /^(ExitPromptError|AbortPromptError)$/.test(error.name))
      throw new InterruptedError()
    throw error
  }
}

/** {@link askSecret} twice, for a secret that is set: a slip of the finger must not lock anyone out. */
export async function askNewSecret(prompt: string, signal: AbortSignal): Promise<Secret> {
  const first = await askSecret(prompt, signal)
  if (first.reveal() === '') throw new UsageError('An empty secret protects nothing', { next: 'Try again' })
  const second = await askSecret(`${prompt}, again`, signal)
  if (first.reveal() !== second.reveal())
    throw new UsageError('The two entries differ; nothing was changed', { next: 'Try again' })
  return first
}
