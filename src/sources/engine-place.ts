import { SourceError } from '../errors.ts'
import type { SecretReference } from '../model/secret.ts'
import type { Privilege } from '../remote/contract.ts'
import type { ResolveSecret } from '../secrets/contract.ts'
import type { EnginePlace } from './kind.ts'

/** Where it is: `127.0.0.1:5000`, `unix:/run/engine.sock`, `service cache`, `container app_cache_1`. */
export function placeName(at: EnginePlace): string {
  if ('service' in at) return `service ${at.service}`
  if ('container' in at) return `container ${at.container}`
  if ('socket' in at) return `unix:${at.socket}`
  const { address, port } = at
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The server of data in a sentence: `Engine at 127.0.0.1:5000`, `Engine of service cache`. */
export function engineName(engine: string, at: EnginePlace): string {
  const word = 'service' in at ? 'of' : 'container' in at ? 'in' : 'at'
  return `${engine} ${word} ${placeName(at)}`
}

/** Who may use a helper container may speak to Docker without one. */
export function toSpeak(privilege: Privilege | undefined): Privilege | undefined {
  return privilege === 'sudo' ? privilege : undefined
}

/**
 * The password as its server's programs read it: one line. Empty where the config names none. Throws SourceError
 * `CODE-password-line` for one of several lines.
 */
export async function passwordLine(
  context: { readonly secret: ResolveSecret; readonly signal: AbortSignal },
  password: SecretReference | undefined,
  { code, title }: { readonly code: string; readonly title: string },
): Promise<string> {
  const revealed = password === undefined ? '' : (await context.secret(password, context.signal)).reveal()
  if (/[\n\0]/.test(revealed)) {
    throw new SourceError(`${code}-password-line`, `The password of ${title} has a line break in it`, {
      next: 'Check where `password` of this source points to: it must be the password alone.',
    })
  }
  return revealed
}
