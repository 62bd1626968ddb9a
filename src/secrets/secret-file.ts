import { open } from 'node:fs/promises'
import { SecretError } from '../errors.ts'
import { Secret } from '../model/secret.ts'

/** A secret in a file that only its owner may read. One newline at its end is not part of it. */
export async function readSecretFile(path: string): Promise<Secret> {
  await using file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new SecretError(`The secret file ${path} can't be read (${cause.code ?? cause.message})`, {
      next: cause.code === 'ENOENT' ? `Create it with mode 600: ${path}` : `chmod 600 ${path}`,
      cause,
    })
  })
  const { mode } = await file.stat()
  if ((mode & 0o077) !== 0)
    throw new SecretError(
      `The secret file ${path} can be read by others (mode ${(mode & 0o777).toString(8)})`,
      {
        next: `chmod 600 ${path}`,
      },
    )
  const text = withoutNewline(await file.readFile('utf8'))
  if (text === '')
    throw new SecretError(`The secret file ${path} is empty`, { next: 'Write the secret into it' })
  return new Secret(text)
}

/** Without one `\n` or `\r\n` at the end. */
export function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '')
}
