import { SourceError } from '../../../errors.ts'
import { addressOf, nameOf } from '../failures.ts'
import type { Session } from './session.ts'

/** Nobody listens there; `said` is what redis-cli says of that. */
export function isDown({ config, container }: Session, said?: string): SourceError {
  const how = container?.look === undefined ? 'Start it' : `Start it: docker start ${container.look.name}`
  return new SourceError('redis-down', `${nameOf(config)} does not run`, {
    stderr: said,
    next: `${how}, then run it again.`,
  })
}

/** The container runs, and in it nobody listens: Redis may be about to come up, or it may listen somewhere else. */
export function notListening(session: Session, down: SourceError): SourceError {
  const { config, container, server } = session
  if ((container?.look?.restartCount ?? 0) > 0) return unsettled(session, 'restarting')
  return new SourceError(
    'redis-not-listening',
    `Container ${container?.look?.name} runs, but no Redis listens on port ${server[1]} in it`,
    {
      stderr: down.details.stderr,
      next: `Look into its log: docker logs ${container?.look?.name}; and check ${addressOf(config).split(' ')[0]} of this source.`,
    },
  )
}

/** There is no redis-cli where it is needed. */
export function noCli({ container }: Session): SourceError {
  if (container !== undefined) {
    return new SourceError('no-redis-cli', `Container ${container.look?.name} has no redis-cli`, {
      next: 'Use an image that has it, as the official ones do, or stop the container: then its files are taken as they lie.',
    })
  }
  return new SourceError('no-redis-cli', 'The server has no redis-cli', {
    next: 'Install it there (Debian, Ubuntu: apt-get install redis-tools; Alpine: apk add redis), or name the container that Redis runs in by `service` or `container` of this source.',
  })
}

/** The container does not stay. */
export function unsettled({ config, container }: Session, status: 'restarting' | 'removing'): SourceError {
  const { name, exitCode } = container?.look ?? {}
  if (status === 'removing') {
    return new SourceError('redis-removing', `Container ${name} is being removed`, { next: 'Pull again.' })
  }
  const ended = exitCode ? `: it ended with exit status ${exitCode}` : ''
  return new SourceError(
    'redis-restarting',
    `${nameOf(config)} comes and goes: container ${name} does not stay up${ended}`,
    {
      next: `Look into its log: docker logs ${name}. When it is stopped (docker stop ${name}), its files are taken as they lie.`,
    },
  )
}
