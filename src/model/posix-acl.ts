/** The extended attribute that holds an ACL of Linux, as tar carries it. */
const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'

/** Of linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id. */
const VERSION = 2
const ENTRY_BYTES = 8
const GROUP_OBJ = 0x04
const MASK = 0x10

/** Whether these extended attributes (their names) hold an ACL. */
export function hasAcl(names: Iterable<string>): boolean {
  for (const name of names) if (name === ACCESS || name === DEFAULT) return true
  return false
}

/**
 * The mode of an entry whose ACL can't be put back. With an ACL, the group bits of the mode are the ACL's mask: the
 * most that anybody named in it may do. Without the ACL these bits would be the group's own rights. So they are set to
 * the rights that the ACL gives the group.
 */
export function modeWithoutAcl({
  mode,
  xattrs,
}: {
  readonly mode: number
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined
}): number {
  const acl = xattrs?.get(ACCESS)
  if (acl === undefined || acl.length < 4 || acl.readUInt32LE(0) !== VERSION) return mode
  let group = 0
  let mask = 0o7
  for (let at = 4; at + ENTRY_BYTES <= acl.length; at += ENTRY_BYTES) {
    const permissions = acl.readUInt16LE(at + 2) & 0o7
    if (acl.readUInt16LE(at) === GROUP_OBJ) group = permissions
    if (acl.readUInt16LE(at) === MASK) mask = permissions
  }
  return (mode & ~0o070) | ((group & mask) << 3)
}
