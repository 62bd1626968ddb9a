import { readFile } from 'node:fs/promises'
import { SourceError } from '../../../errors.ts'
import type { RedisTlsConfig, RedisTlsFile } from '../../../model/config.ts'
import type { CaptureContext } from '../../contract.ts'

/** How the scripts get their TLS settings (redis_open in sources/redis/scripts/lib/redis.sh). */
export interface TlsInput {
  readonly argument: string
  /** For their stdin, behind the password. */
  readonly lines: readonly string[]
}

export const NO_TLS: TlsInput = { argument: 'no', lines: [] }

/**
 * Reads what lies on this machine. Throws SourceError for a file that is none of its kind, SecretError for a private key
 * that others can read.
 */
export async function tlsInput(
  { secret, signal }: Pick<CaptureContext, 'secret' | 'signal'>,
  tls: boolean | RedisTlsConfig,
): Promise<TlsInput> {
  if (tls === false) return NO_TLS
  if (tls === true) return { argument: 'yes', lines: [] }
  const words = ['yes']
  const lines: string[] = []
  for (const name of ['ca', 'cert', 'key'] as const) {
    const file = tls[name]
    if (file === undefined) continue
    words.push(`${name} ${'server' in file ? file.server : '-'}`)
    if ('server' in file) continue
    const text =
      name === 'key'
        ? (await secret({ file: file.here }, signal)).reveal()
        : await readHere(name, file, signal)
    lines.push(...pemLines(name, file, text), '')
  }
  if (tls.serverName !== undefined) words.push(`sni ${tls.serverName}`)
  if (tls.insecure) words.push('insecure')
  return { argument: words.join('\n'), lines }
}

async function readHere(name: string, file: { readonly here: string }, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file.here, { encoding: 'utf8', signal })
  } catch (cause) {
    signal.throwIfAborted()
    const { code } = cause as NodeJS.ErrnoException
    throw new SourceError(
      'redis-tls-file',
      `The file of tls.${name}, ${file.here}, can't be read (${code})`,
      {
        next: `Correct tls.${name} of this source: a path that is not absolute is on this machine, an absolute one on the server.`,
        cause,
      },
    )
  }
}

function pemLines(name: string, file: { readonly here: string }, text: string): readonly string[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  const wanted = name === 'key' ? /^-----BEGIN .*PRIVATE KEY-----$/ : /^-----BEGIN .*CERTIFICATE-----$/
  if (lines.some((line) => wanted.test(line))) return lines
  throw new SourceError(
    'redis-tls-file',
    `The file of tls.${name}, ${file.here}, holds no ${name === 'key' ? 'private key' : 'certificate'} in PEM form`,
    { next: 'Convert it with openssl, or name the right file.' },
  )
}

/** Where a file of TLS is, for a message. */
export function describeTlsFile(file: RedisTlsFile): string {
  return 'server' in file ? `${file.server} on the server` : file.here
}
