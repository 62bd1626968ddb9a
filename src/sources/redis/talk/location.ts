import type { RedisSourceConfig } from '../config.ts'
import { SourceError } from '../../../errors.ts'

/** Where a source's directory is on the server, and what it is called in an archive. */
export interface Location {
  /** Absolute, as configured: symlinks not resolved. */
  readonly directory: string
  /** The name of its member: relative to the deployment, or absolute without the leading slash. */
  readonly member: string
  /** The directory from which {@link member} leads to {@link directory}. */
  readonly base: string
  /** It is outside the deployment. */
  readonly absolute: boolean
}

/** Throws SourceError when the path is relative and the deployment is not there. */
export function locate(config: RedisSourceConfig, deployment: string | undefined): Location {
  const parts = config.path.split('/').filter((part) => part !== '' && part !== '.')
  const home = deployment?.split('/').filter((part) => part !== '')
  if (!config.path.startsWith('/')) {
    if (deployment === undefined) {
      throw new SourceError('no-deployment', 'The deployment directory is not there', {
        next: 'Check `deployment` of this host in the config.',
      })
    }
    const member = parts.join('/')
    return { directory: under(deployment, member), member, base: deployment, absolute: false }
  }
  if (deployment !== undefined && home !== undefined && home.every((part, at) => part === parts[at])) {
    const member = parts.slice(home.length).join('/')
    if (member !== '') {
      return { directory: under(deployment, member), member, base: deployment, absolute: false }
    }
  }
  return { directory: `/${parts.join('/')}`, member: parts.join('/'), base: '/', absolute: true }
}

function under(base: string, name: string): string {
  return base === '/' ? `/${name}` : `${base}/${name}`
}
