/** What a configured path is on the server. */
export type RootType = 'directory' | 'file' | 'fifo'

/** One path of a source as it was found on the server. */
export interface Root {
  /** As members are named: relative to the deployment, or absolute without the leading slash. */
  readonly name: string
  /** Under the deployment, or under `/`. */
  readonly base: 'deployment' | 'root'
  readonly type: RootType
  /** Set when the path is itself a symlink: what it says, and where that leads in the end. */
  readonly link?: { readonly target: Buffer; readonly real: Buffer } | undefined
}

/**
 * The configured paths in the form members are named in: no doubled slashes, no `.`; a path below another one
 * is dropped, and an absolute path inside the deployment is taken as relative to it, so that nothing is packed
 * twice. The deployment itself stays absolute: a member needs a name.
 */
export function normaliseRoots(
  paths: readonly string[],
  deployment: string | undefined,
): readonly Pick<Root, 'name' | 'base'>[] {
  const named = paths.map((path) => {
    const clean = path.split('/').filter((part) => part !== '' && part !== '.')
    const home = deployment?.split('/').filter((part) => part !== '')
    if (!path.startsWith('/')) return { name: clean.join('/'), base: 'deployment' as const }
    if (home !== undefined && home.length < clean.length && home.every((part, at) => part === clean[at])) {
      return { name: clean.slice(home.length).join('/'), base: 'deployment' as const }
    }
    return { name: clean.join('/'), base: 'root' as const }
  })
  return named.filter(
    (root, at) =>
      !named.some(
        (other, otherAt) =>
          other.base === root.base &&
          (other.name === root.name
            ? otherAt < at
            : other.name === '' || root.name.startsWith(`${other.name}/`)),
      ),
  )
}
