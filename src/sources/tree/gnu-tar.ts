import { latin1 } from '../../model/path-bytes.ts'
import type { Root } from './roots.ts'

/**
 * GNU tar's side of a capture. `posix` (pax) keeps times in ns, names of any length and bytes, and sizes; times
 * of access and change are left out, they are of no use and differ every time. Extended attributes are always
 * asked for, ACLs travel as `system.posix_acl_*` among them: measured on 12,000 files without any, this is
 * within the noise. No `--sparse`: holes travel as zeros, which the compressor makes vanish. No
 * `--one-file-system`: a volume mounted below the path belongs to it. `escape` puts every message on one line.
 * Records stay at the default 10 KiB: larger ones gain nothing beside a compressor, and the zeros that fill up the
 * last one would break the pipe of whoever unpacks by hand under `pipefail`. `S` in the renaming: the targets of symlinks
 * stay as they are; those of hard links are members and are renamed, too.
 */
const FORMAT = [
  '--create',
  '--file=-',
  '--format=posix',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  '--xattrs',
  '--xattrs-include=*',
  '--quoting-style=escape',
]

/** How members are called on the way to tar and back. All names are latin1, one char a byte. */
export interface TarNames {
  /** tar's arguments; what it packs is told on stdin, each name ended by NUL. */
  readonly arguments: readonly string[]
  /** The name for tar of a member, relative to `/`. */
  toTar(member: string): string
  /** The member of a name that tar got, as the name stands in tar's messages. */
  toMember(said: string): string
}

/**
 * GNU tar gets every name on stdin, and directories without what is in them: what is left out, and what an archive
 * holds, is decided here. Names are bytes: without `--no-unquote` some tars take `\n` in them for a line break.
 *
 * tar gets the names relative to `/`, and renames them back in the archive. For a root that is a symlink it gets the
 * place where the link leads. Each of these, and the deployment, has a prefix of repeated `./` that no other name has,
 * so that the renaming can't touch anything else.
 */
export function tarNames(roots: readonly Root[], deployment: string): TarNames {
  const links = roots
    .filter((root) => root.link !== undefined)
    .map((root, at) => ({
      name: latin1(root.name),
      told: './'.repeat(at + 1) + withoutSlashes(root.link?.real.toString('latin1') ?? ''),
    }))
  const home = withoutSlashes(latin1(deployment))
  const below = './'.repeat(links.length + 1) + (home === '' ? '' : `${home}/`)
  const isAbsolute = roots
    .filter((root) => root.base === 'root' && root.link === undefined)
    .map((root) => latin1(root.name))
  return {
    arguments: [
      ...FORMAT,
      '--no-recursion',
      '--no-unquote',
      ...links.map(({ name, told }) =>
        utf8Argument(`--transform=s,^${literalBasic(told)}\\(/\\|$\\),${literalReplacement(name)}\\1,S`),
      ),
      utf8Argument(`--transform=s,^${literalBasic(below)},,S`),
      '--directory=/',
      '--null',
      '--files-from=-',
    ],
    toTar: (member) => {
      const link = links.find(({ name }) => isBelow(member, name))
      if (link !== undefined) return link.told + member.slice(link.name.length)
      return isAbsolute.some((name) => isBelow(member, name)) ? member : below + member
    },
    toMember: (said) => {
      const link = links.find(({ told }) => isBelow(said, told))
      if (link !== undefined) return link.name + said.slice(link.told.length)
      return said.startsWith(below) ? said.slice(below.length) : said
    },
  }
}

function isBelow(name: string, root: string): boolean {
  return name === root || name.startsWith(`${root}/`)
}

/** Text as a basic regular expression that matches just it. tar hands it on as it is: `\n` in it would be an n. */
function literalBasic(text: string): string {
  return text.replaceAll(/[\\.*^$[\],]/g, '\\$&')
}

function literalReplacement(text: string): string {
  return text.replaceAll(/[\\&,]/g, '\\$&').replaceAll('\n', '\\n')
}

function withoutSlashes(path: string): string {
  return path.replaceAll(/^\/+|\/+$/g, '')
}

/**
 * Arguments travel as UTF-8 text. Bytes that are no UTF-8 become U+FFFD, and tar then reports that there is no such
 * file.
 */
function utf8Argument(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
