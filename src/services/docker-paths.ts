import { posix } from 'node:path'
import type { ContainerLook, ContainerMount, DockerLook, PathUse } from './contract.ts'

/** True when the container runs, or would go on by itself. */
export function isUp(container: ContainerLook): boolean {
  return ['running', 'paused', 'restarting', 'removing'].includes(container.status)
}

/** The containers, in whatever state, that see these paths. Paths are absolute, symlinks resolved. */
export function containersUsing(look: DockerLook, paths: readonly string[]): readonly PathUse[] {
  return paths.flatMap((path) =>
    look.containers.flatMap((container) =>
      container.mounts
        .filter(({ source }) => source !== undefined && (isWithin(path, source) || isWithin(source, path)))
        .map((mount) => ({ path, container, mount })),
    ),
  )
}

/**
 * Where a path in a container lies on the server: below the innermost mount that it is in. Undefined for a path in
 * the container's own file system, in memory, or in a volume that is not on this server.
 */
export function pathOnServer(
  container: ContainerLook,
  path: string,
): { readonly path: string; readonly mount: ContainerMount } | undefined {
  const mount = innermost(container.mounts, path, ({ destination }) => destination)
  if (mount?.source === undefined || mount.type === 'tmpfs') return undefined
  return { path: posix.join(mount.source, posix.relative(mount.destination, path)), mount }
}

/** Where a path of the server is in a container; undefined when it is not seen there. */
export function pathInContainer(container: ContainerLook, path: string): string | undefined {
  const mount = innermost(container.mounts, path, ({ source }) => source)
  if (mount?.source === undefined) return undefined
  const inside = posix.join(mount.destination, posix.relative(mount.source, path))
  // Another mount may hide the path.
  return pathOnServer(container, inside)?.path === posix.normalize(path) ? inside : undefined
}

function innermost(
  mounts: readonly ContainerMount[],
  path: string,
  root: (mount: ContainerMount) => string | undefined,
): ContainerMount | undefined {
  return mounts
    .filter((mount) => isWithin(path, root(mount) ?? '\0'))
    .sort((a, b) => (root(b)?.length ?? 0) - (root(a)?.length ?? 0))[0]
}

/** A path is a directory, or in it. */
export function isWithin(path: string, directory: string): boolean {
  const relative = posix.relative(directory, path)
  return directory.startsWith('/') && relative !== '..' && !relative.startsWith('../')
}
