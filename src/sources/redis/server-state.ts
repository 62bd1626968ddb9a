import { SourceError } from '../../errors.ts'
import type { RedisSourceConfig } from '../../model/config.ts'
import { addressOf, nameOf, refusal } from './failures.ts'
import type { Inspection } from './inspection.ts'

/**
 * Judges whether the server is up and talks to us. Throws SourceError for everything but an answering server and
 * one that nobody listens for.
 */
export function serverState(inspection: Inspection, config: RedisSourceConfig): 'up' | 'stopped' {
  const { ping } = inspection
  const redis = nameOf(config)
  const at = addressOf(config)
  if (ping === undefined) throw new Error('the server was not asked')
  // A password for a server that has none does no harm; one that is refused does, even where PING works without.
  if (ping.auth !== '' && (ping.answer !== 'PONG' || /WRONGPASS/.test(ping.auth))) {
    throw refusal(config, 'in', ping.auth)
  }
  if (ping.answer === 'PONG' && ping.status === 0) {
    if (inspection.infoRefused !== undefined) throw refusal(config, 'ask for INFO', inspection.infoRefused)
    if (inspection.info.get('loading') === '1') throw refusal(config, 'save', 'LOADING')
    return 'up'
  }
  if (/Connection refused|No such file or directory/.test(ping.answer)) return 'stopped'
  if (ping.status === 124 || ping.status === 143) {
    throw new SourceError('redis-silent', `${redis} takes the connection and does not answer`, {
      next:
        'tls' in config.at && config.at.tls
          ? 'Check `tls` of this source; if Redis does speak TLS there, look into its log.'
          : 'Check `tls` of this source, and what Redis is busy with: redis-cli SLOWLOG GET, and its log.',
    })
  }
  if (
    /Name or service not known|Temporary failure in name resolution|nodename nor servname/.test(ping.answer)
  ) {
    throw new SourceError('redis-unresolved', `The server does not know the address ${at}`, {
      stderr: ping.answer,
      next: 'Set `address` of this source to one that works on the server, for example 127.0.0.1:6379.',
    })
  }
  if (/SSL_|TLS|certificate/i.test(ping.answer)) {
    throw new SourceError('redis-tls', `No TLS connection to ${redis}`, {
      stderr: ping.answer,
      next: 'Check `tls` of this source, and that the server trusts the certificate.',
    })
  }
  if (/Could not connect/.test(ping.answer)) {
    throw new SourceError('redis-unreachable', `The server can't reach ${redis}`, {
      stderr: ping.answer,
      next: 'Check `address` of this source: it is as seen from the server itself.',
    })
  }
  if (
    /Unrecognized option|Protocol error|I\/O error|Server closed the connection|Connection reset/i.test(
      ping.answer,
    )
  ) {
    throw new SourceError('redis-not-redis', `What answers at ${at} is not Redis, or wants TLS`, {
      stderr: ping.answer,
      next: 'Check `address` (and `tls`) of this source.',
    })
  }
  throw refusal(config, 'PING it', ping.answer)
}
