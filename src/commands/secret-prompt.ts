import { UsageError } from '../errors.ts'
import { Secret } from '../model/secret.ts'
import { ask } from './question.ts'

/** Asks for a secret at the terminal; nothing of it is shown. Throws InterruptedError on Ctrl-C. */
export async function askSecret(prompt: string, signal: AbortSignal): Promise<Secret> {
  const { password } = await import('@inquirer/prompts')
  // On stderr: stdout is for results.
  return new Secret(
    await ask(() => password({ message: prompt, mask: false }, { signal, output: process.stderr })),
  )
}

/** Asks for what may be seen while it is typed. Throws InterruptedError on Ctrl-C. */
export async function askAnswer(prompt: string, signal: AbortSignal): Promise<Secret> {
  const { input } = await import('@inquirer/prompts')
  return new Secret(await ask(() => input({ message: prompt }, { signal, output: process.stderr })))
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
