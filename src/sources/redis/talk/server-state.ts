import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import { addressOf, nameOf, refusal } from '../failures.ts'
import type { Inspection } from './inspection.ts'
import { describeTlsFile } from './tls.ts'

/**
 * Judges whether the server is up and talks to us. Throws SourceError for everything but an answering server and
 * one that nobody listens for.
 */
export function serverState(inspection: Inspection, config: RedisSourceConfig): 'up' | 'stopped' {
  const { ping } = inspection
  if (ping === undefined) throw new Error('the server was not asked')
  const state = pingState(ping, config, inspection.uid)
  if (state === 'stopped') return state
  if (inspection.infoRefused !== undefined) throw refusal(config, 'ask for INFO', inspection.infoRefused)
  if (inspection.info.get('loading') === '1') throw refusal(config, 'save', 'LOADING')
  return 'up'
}

/** The same by what redis-cli says when it asks PING, as the user with this uid on the server. */
export function pingState(
  ping: NonNullable<Inspection['ping']>,
  config: RedisSourceConfig,
  uid: number,
): 'up' | 'stopped' {
  const redis = nameOf(config)
  const at = addressOf(config)
  // A password for a server that has none does no harm. A password that is refused does, even where PING works without
  // one.
  if (ping.auth !== '' && (ping.answer !== 'PONG' || /WRONGPASS/.test(ping.auth))) {
    throw refusal(config, 'in', ping.auth)
  }
  if (ping.answer === 'PONG' && ping.status === 0) return 'up'
  if (/Connection refused|No such file or directory/.test(ping.answer)) return 'stopped'
  if (ping.status === 124 || ping.status === 143) {
    throw new SourceError('redis-silent', `${redis} takes the connection and does not answer`, {
      next:
        'tls' in config.at && config.at.tls !== false
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
  const tls = tlsFailure(config, ping.answer)
  if (tls !== undefined) throw tls
  if ('socket' in config.at && /Permission denied/.test(ping.answer)) {
    throw new SourceError('redis-unreachable', `uid ${uid} may not use the socket of ${redis}`, {
      stderr: ping.answer,
      next: 'Let this user use it (unixsocketperm, usermod -aG redis USER), or set `sudo: true` for this host.',
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

/** What redis-cli says of a TLS connection that did not come about (cliSecureConnection in src/cli_common.c). */
function tlsFailure(config: RedisSourceConfig, answer: string): SourceError | undefined {
  const { at } = config
  const redis = nameOf(config)
  const said = { stderr: answer }
  const isTls = 'address' in at && at.tls !== false
  if (!isTls) return /SSL_|TLS|certificate/i.test(answer) ? noTls(redis, said) : undefined
  const files = at.tls === true ? undefined : at.tls
  const { ca, cert, key } = files ?? {}
  if (/Unrecognized option.*--(?:tls|sni|insecure|cacert|cert|key)/.test(answer)) {
    return new SourceError('redis-cli-no-tls', "The server's redis-cli does not speak TLS", {
      ...said,
      next: 'Install one of Redis 6 or later that is built with TLS there (Debian, Ubuntu: apt-get install redis-tools).',
    })
  }
  if (/certificate verify failed/i.test(answer)) {
    return new SourceError(
      'redis-tls-untrusted',
      `The certificate of ${redis} is not trusted: ${
        ca === undefined
          ? 'its CA is none that the system of the server knows'
          : `its CA is not in ${describeTlsFile(ca)}`
      }, or it has expired`,
      {
        ...said,
        next: 'Set `tls: { ca: FILE }` of this source to the certificate of the CA that signed it; an absolute path is on the server.',
      },
    )
  }
  const wrong = /Invalid CA Certificate/i.test(answer)
    ? (['ca', ca] as const)
    : /Invalid client certificate/i.test(answer)
      ? (['cert', cert] as const)
      : /Invalid private key/i.test(answer)
        ? (['key', key] as const)
        : undefined
  if (wrong !== undefined) {
    const [name, file] = wrong
    const what = name === 'key' ? 'a private key that belongs to tls.cert' : 'a certificate in PEM form'
    return new SourceError(
      'redis-tls-file',
      `redis-cli can't use tls.${name}${file === undefined ? '' : `, ${describeTlsFile(file)}`}: it can't be read there, or is not ${what}`,
      {
        ...said,
        next: `Correct tls.${name} of this source: an absolute path is on the server, any other one on this machine.`,
      },
    )
  }
  // The handshake went well on our side. What the server says about it is lost when it closes the connection.
  const isClosed = /I\/O error|Server closed the connection|Connection reset|Broken pipe/i.test(answer)
  if (
    isClosed ||
    /alert (?:certificate required|handshake failure|unknown ca|bad certificate)/i.test(answer)
  ) {
    return cert === undefined
      ? new SourceError(
          'redis-tls-client',
          `${redis} closes the TLS connection: it wants a client certificate`,
          {
            ...said,
            next: 'Set `tls: { cert: FILE, key: FILE }` of this source, or tls-auth-clients no in Redis.',
          },
        )
      : new SourceError(
          'redis-tls-client',
          `${redis} closes the TLS connection: it does not accept the client certificate ${describeTlsFile(cert)}`,
          {
            ...said,
            next: 'Check that it was signed by the CA that Redis knows (tls-ca-cert-file) and has not expired.',
          },
        )
  }
  return /SSL_|TLS|certificate/i.test(answer) ? noTls(redis, said) : undefined
}

function noTls(redis: string, said: { readonly stderr: string }): SourceError {
  return new SourceError('redis-tls', `No TLS connection to ${redis}`, {
    ...said,
    next: 'Check `tls` and `address` of this source, and that Redis speaks TLS there (tls-port).',
  })
}
