import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../config.ts'
import { addressOf, nameOf, refusal } from '../failures.ts'
import { describeTlsFile } from './tls.ts'

/**
 * Why redis-cli has no connection, by what it says on the server as the user with this uid; undefined when nobody listens
 * there.
 */
export function whyUnreached(said: string, config: RedisSourceConfig, uid: number): SourceError | undefined {
  const redis = nameOf(config)
  const at = addressOf(config)
  const details = { stderr: said }
  if (/Connection refused|No such file or directory/.test(said)) return undefined
  if (/Name or service not known|Temporary failure in name resolution|nodename nor servname/.test(said)) {
    return new SourceError('redis-unresolved', `The server does not know the address ${at}`, {
      ...details,
      next: 'Set `address` of this source to one that works on the server, for example 127.0.0.1:6379.',
    })
  }
  const tls = tlsFailure(config, said)
  if (tls !== undefined) return tls
  if ('socket' in config.at && /Permission denied/.test(said)) {
    return new SourceError('redis-unreachable', `uid ${uid} may not use the socket of ${redis}`, {
      ...details,
      next: 'Let this user use it (unixsocketperm, usermod -aG redis USER), or set `sudo: true` for this host.',
    })
  }
  if (/Could not connect/.test(said)) {
    return new SourceError('redis-unreachable', `The server can't reach ${redis}`, {
      ...details,
      next: 'Check `address` of this source: it is as seen from the server itself.',
    })
  }
  if (
    /Unrecognized option|Protocol error|I\/O error|Server closed the connection|Connection reset/i.test(said)
  ) {
    return notRedis(config, said)
  }
  return refusal(config, 'PING it', said)
}

/** What answers does not speak as Redis does. */
export function notRedis(config: RedisSourceConfig, said: string): SourceError {
  return new SourceError(
    'redis-not-redis',
    `What answers at ${addressOf(config)} is not Redis, or wants TLS`,
    {
      stderr: said,
      next: 'Check `address` (and `tls`) of this source.',
    },
  )
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
