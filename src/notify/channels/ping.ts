import { addressOf, type ChannelRequest } from './http.ts'

/** A moment of a command's run. */
export type Ping =
  | { readonly moment: 'start'; readonly id: string }
  | {
      readonly moment: 'end'
      readonly id: string
      readonly exitCode: number
      /** What it came to, without names of files. */
      readonly text: string
      readonly milliseconds: number
    }

/** Characters that a push monitor shows. */
const SHORT = 250

/** https://healthchecks.io/docs/http_api/: `/start`, then the exit code; `rid` joins the two. */
export function healthchecksRequest(url: string, ping: Ping): ChannelRequest {
  const address = addressOf(url)
  address.pathname = `${address.pathname.replace(/\/$/, '')}/${ping.moment === 'start' ? 'start' : ping.exitCode}`
  address.searchParams.set('rid', ping.id)
  return { url: address.href, method: 'POST', body: ping.moment === 'start' ? '' : ping.text }
}

/** A push monitor knows no start. It is up after a good run, and down after another. */
export function uptimeKumaRequest(url: string, ping: Ping): ChannelRequest | undefined {
  if (ping.moment === 'start') return undefined
  const address = addressOf(url)
  address.searchParams.set('status', ping.exitCode === 0 ? 'up' : 'down')
  address.searchParams.set('msg', ping.exitCode === 0 ? 'OK' : ping.text.slice(0, SHORT))
  address.searchParams.set('ping', String(Math.round(ping.milliseconds)))
  return { url: address.href, method: 'GET' }
}
