import { RemoteError } from '../../errors.ts'
import { printable } from '../../model/path-bytes.ts'
import type { TargetLook } from './look.ts'

/** One path to be put in place by the server's script. All paths are absolute and have no symlink in them. */
export interface RestoreUnit {
  /** `rename`: as a whole. `children`: the target itself stays (a mount point), what is in it is moved. */
  readonly kind: 'rename' | 'children'
  readonly target: string | Uint8Array
  /** Where the new is unpacked; undefined: the old only goes aside. */
  readonly staged: string | Uint8Array | undefined
  /** Where the old goes. */
  readonly aside: string
}

/** Where a target's `.relay-backup` directory must be, so that a rename is enough. */
export interface TargetHome {
  readonly kind: RestoreUnit['kind']
  /** The `.relay-backup` directory. */
  readonly home: string
}

/**
 * Chooses the `.relay-backup` directory of a target: the deployment's, or the one nearest to the target on its own
 * file system. `deployment` has its symlinks resolved. Throws RemoteError for what can't be replaced: a target with
 * a file system mounted in it, a file that is a mount point, one that holds the deployment.
 */
export function homeOf(look: TargetLook, deployment: string): TargetHome {
  const refuse = (code: string, reason: string, next: string): never => {
    throw new RemoteError(code, `${printable(look.path)} ${reason}`, { next })
  }
  if (deployment.startsWith(`${look.path === '/' ? '' : look.path}/`)) {
    refuse(
      'restore-holds-deployment',
      'holds the deployment',
      'Restore paths inside the deployment, or name a deeper path',
    )
  }
  if (look.mountsInside) {
    refuse(
      'restore-mount-inside',
      'has another file system mounted in it',
      'Unmount it first, or restore the parts beside it with --path',
    )
  }
  const children = look.mountPoint || look.path === deployment
  if (children && look.type !== 'directory') {
    refuse(
      'restore-mount-file',
      'is a mounted file',
      'Restore it on the side of the mount where it is a plain file',
    )
  }
  if (children) return { kind: 'children', home: `${look.path === '/' ? '' : look.path}/.relay-backup` }
  if (look.nearDeployment) return { kind: 'rename', home: `${deployment}/.relay-backup` }
  let parent = look.path
  for (let level = 0; level <= look.missingAncestors; level += 1)
    parent = parent.slice(0, parent.lastIndexOf('/'))
  return { kind: 'rename', home: `${parent}/.relay-backup` }
}

/** The directory that is unpacked into for a source (or another group of units) in this home. */
export function stagingOf(home: TargetHome, id: string, name: string): string {
  return `${home.home}/restore-${id}/${name}`
}
