import { request as requestHttp } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import type { HealthConfig } from '../model/config.ts'
import type { RemoteHost } from '../remote/contract.ts'

/** ms between two tries, and ms that one try may take. */
const PAUSE = 1000
const TRY_TIMEOUT = 10_000

/**
 * Asks a health URL from the server's side until it answers with a 2xx status or its timeout has passed. Resolves with
 * undefined when it is healthy, else with the problem of the last try. It is plain HTTP over a connection that the server
 * makes, so nothing is needed there.
 */
export async function waitHealthy(
  host: RemoteHost,
  health: HealthConfig,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deadline = performance.now() + health.timeout
  for (;;) {
    const remaining = Math.ceil(Math.max(1, Math.min(TRY_TIMEOUT, deadline - performance.now())))
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(remaining)])
    const problem = await ask(host, new URL(health.url), attempt).catch((error: unknown) => describe(error))
    signal.throwIfAborted()
    if (problem === undefined) return undefined
    if (performance.now() + PAUSE >= deadline) return problem
    await sleep(PAUSE, undefined, { signal })
  }
}

/** Undefined when the answer is good. */
async function ask(host: RemoteHost, url: URL, signal: AbortSignal): Promise<string | undefined> {
  const isTls = url.protocol === 'https:'
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port)
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  const channel = await host.connectTcp(hostname, port, signal)
  try {
    const stream = isTls ? connectTls({ socket: channel, servername: hostname }) : channel
    const status = await new Promise<number>((resolve, reject) => {
      const request = requestHttp(
        {
          method: 'GET',
          path: `${url.pathname}${url.search}`,
          headers: { host: url.host },
          createConnection: () => stream,
          signal,
        },
        (response) => {
          response.resume()
          resolve(response.statusCode ?? 0)
        },
      )
      request.once('error', reject)
      request.end()
    })
    return status >= 200 && status < 300 ? undefined : `${url.href} answers ${status}`
  } finally {
    channel.destroy()
  }
}

function describe(error: unknown): string {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
    return 'no answer in time'
  return error instanceof Error ? error.message : String(error)
}
