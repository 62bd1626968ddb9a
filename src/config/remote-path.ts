/** Everything that we leave on a server lives in directories of this name; no source may claim it. */
const RESERVED = '.relay-backup'

/** Why a text can't be a deployment; undefined when it can. */
export function deploymentProblem(path: string): string | undefined {
  if (!path.startsWith('/') && path !== '~' && !path.startsWith('~/'))
    return 'must be absolute or begin with ~/'
  if (path.split('/').includes('..')) return 'must not contain ..'
  return undefined
}

/** Why a text can't be a path of a source; undefined when it can. */
export function sourcePathProblem(path: string): string | undefined {
  const parts = path.split('/')
  if (parts.includes('..')) return 'must not contain ..'
  if (parts.includes(RESERVED)) return `${RESERVED} is relay-backup's own directory on the server`
  if (parts[0] === '~') return '~ works only in `deployment`; write it relative to that, or absolute'
  if (parts.every((part) => part === '' || part === '.'))
    return 'name the directories or files inside the deployment, not the whole of it'
  return undefined
}

/** The one spelling of a path: no `.` parts, no doubled or trailing slashes. */
export function normaliseRemotePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  return `${path.startsWith('/') ? '/' : ''}${parts.join('/')}`
}
