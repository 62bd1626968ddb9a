import { AbortError } from 'p-retry'
import { RelayError } from '../../errors.ts'

/** One HTTP request of a channel. URL and headers may hold secrets: no message has more of them than the host. */
export interface ChannelRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** What is wrong by the answer of a server that says 200 to everything; undefined when nothing is. */
  readonly refused?: (answer: string) => string | undefined
}

/** Bytes of an answer that are read. Nothing that a channel says needs more. */
const ANSWER_LIMIT = 64 * 1024
/** What of an answer is shown, in characters. */
const SHOWN = 200
/** Characters below which a part of an address is no secret, and would blot out words of the answer. */
const SECRET_LENGTH = 6
/** What may be better in a moment, of 4xx: time-out, too early, too many. */
const TRANSIENT = new Set([408, 425, 429])

/**
 * Sends it once. Follows no redirect, because the secret would go along. Throws RelayError `not-delivered`; in p-retry's
 * AbortError where another try is of no use.
 *
 * @param timeout ms for all of it
 */
export async function send(request: ChannelRequest, timeout: number, signal: AbortSignal): Promise<void> {
  const where = hostOf(request.url)
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  let response: Response
  let answer: string
  try {
    response = await fetch(request.url, {
      method: request.method ?? 'POST',
      redirect: 'manual',
      signal: limit,
      headers: { 'user-agent': 'relay-backup', ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
    })
    answer = await beginningOf(response)
  } catch (cause) {
    signal.throwIfAborted()
    throw notDelivered(
      `${where} ${limit.aborted ? `did not answer within ${timeout / 1000} s` : reason(cause)}`,
    )
  }
  const { status } = response
  if (status >= 300 && status < 400)
    throw new AbortError(notDelivered(`${where} sends on to another address, which is not followed`))
  if (!response.ok) {
    const error = notDelivered(`${where} answered ${status}${shown(withoutAddress(answer, request))}`)
    throw status < 500 && !TRANSIENT.has(status) ? new AbortError(error) : error
  }
  const refused = request.refused?.(answer)
  if (refused !== undefined)
    throw new AbortError(notDelivered(`${where} refused it${shown(withoutAddress(refused, request))}`))
}

/** An address that comes from a secret. Throws `not-delivered` without it when it is none. */
export function addressOf(secret: string): URL {
  if (!URL.canParse(secret)) throw notDelivered('what the secret holds is not an address')
  return new URL(secret)
}

export function notDelivered(message: string): RelayError {
  return new RelayError('not-delivered', message)
}

/** JSON in `body`, and the header for it. */
export function json(value: unknown): Pick<ChannelRequest, 'headers' | 'body'> {
  return { headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(value) }
}

async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop cancels the rest.
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= ANSWER_LIMIT) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Servers say back what they were asked for, "Cannot POST /…" for one, in several spellings. So each part of the address
 * behind the host, and each word of an authorization, is `…`.
 */
function withoutAddress(answer: string, { url, headers }: ChannelRequest): string {
  const { pathname, search, searchParams, username, password } = addressOf(url)
  const parts = [
    `${pathname}${search}`,
    pathname,
    ...pathname.split('/'),
    ...searchParams.values(),
    username,
    password,
    ...(headers?.['authorization']?.split(' ') ?? []),
  ]
  const spellings = parts.flatMap((part) => [part, decoded(part), encodeURIComponent(decoded(part))])
  return [...new Set(spellings)]
    .filter((part) => part.length >= SECRET_LENGTH)
    .toSorted((a, b) => b.length - a.length)
    .reduce((text, part) => text.replaceAll(part, '…'), answer)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function shown(answer: string): string {
  const line = answer.replace(/\s+/g, ' ').trim()
  if (line === '') return ''
  return `: ${line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line}`
}

function hostOf(url: string): string {
  return addressOf(url).host
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  return `can't be reached${code === undefined ? '' : `: ${code}`}`
}
