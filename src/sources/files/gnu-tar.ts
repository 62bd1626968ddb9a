import { allExcludes } from './exclude.ts'
import type { Root } from './roots.ts'

/**
 * GNU tar's side of a capture. `posix` (pax) keeps times in ns, names of any length and bytes, and sizes; times
 * of access and change are left out, they are of no use and differ every time. Extended attributes are always
 * asked for, ACLs travel as `system.posix_acl_*` among them: measured on 12,000 files without any, this is
 * within the noise. No `--sparse`: holes travel as zeros, which the compressor makes vanish. No
 * `--one-file-system`: a volume mounted below the path belongs to it. `escape` puts every message on one line.
 * Records stay at the default 10 KiB: larger ones gain nothing beside a compressor, and the zeros that fill up the
 * last one would break the pipe of whoever unpacks by hand under `pipefail`.
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

/** How to name a root to tar, and what tar calls it in its messages. */
interface RootArgument {
  readonly root: Root
  /** latin1 */
  readonly argument: string
}

/** The arguments of tar for a whole capture. Each root is given by `--add-file`, where no name is an option. */
export function gnuTarArguments(
  roots: readonly Root[],
  exclude: readonly string[],
  deployment: string,
): readonly string[] {
  const named = rootArguments(roots)
  return [
    ...FORMAT,
    ...excludeArguments(named, exclude),
    ...named.flatMap(renameArgument),
    // A directory without a name behind it is an error to tar.
    ...from(
      deployment,
      named.filter((each) => isUnderDeployment(each.root)),
    ),
    ...from(
      '/',
      named.filter((each) => !isUnderDeployment(each.root)),
    ),
  ]
}

/**
 * The arguments of tar for reading single files again; their names come on stdin, as {@link rereadName} makes
 * them, each ended by NUL.
 */
export function gnuRereadArguments(roots: readonly Root[], deployment: string): readonly string[] {
  const prefix = withoutSlashes(deployment)
  return [
    ...FORMAT,
    '--no-recursion',
    ...rootArguments(roots).flatMap(renameArgument),
    // Of names below `/`, those under the deployment are shortened.
    ...(prefix === '' ? [] : [utf8Argument(`--transform=s,^${literalBasic(latin1(prefix))}/,,S`)]),
    '--directory=/',
    '--null',
    '--files-from=-',
  ]
}

/** A member name (latin1) as tar must be told it to read it again, relative to `/`. */
export function rereadName(member: string, roots: readonly Root[], deployment: string): string {
  for (const { root, argument } of rootArguments(roots)) {
    const name = latin1(root.name)
    if (member === name || member.startsWith(`${name}/`) || name === '') {
      if (root.link !== undefined) return argument + member.slice(name.length)
      if (root.base === 'deployment') {
        const prefix = latin1(withoutSlashes(deployment))
        return prefix === '' ? member : `${prefix}/${member}`
      }
      return member
    }
  }
  return member
}

/** What tar calls a file in its messages, as the member is called (both latin1). */
export function memberOf(said: string, roots: readonly Root[], deployment?: string): string {
  for (const { root, argument } of rootArguments(roots)) {
    if (root.link !== undefined && (said === argument || said.startsWith(`${argument}/`))) {
      return latin1(root.name) + said.slice(argument.length)
    }
  }
  if (deployment !== undefined) {
    const prefix = `${latin1(withoutSlashes(deployment))}/`
    if (prefix !== '/' && said.startsWith(prefix)) return said.slice(prefix.length)
  }
  return said.startsWith('./') ? said.slice(2) : said
}

/**
 * A root that is a symlink is named by where it leads, under `/`, with a prefix of `./` repeated that no other
 * name has, so that the renaming back can't touch anything else.
 */
function rootArguments(roots: readonly Root[]): readonly RootArgument[] {
  let links = 0
  return roots.map((root) => {
    if (root.link === undefined) return { root, argument: latin1(root.name === '' ? '.' : root.name) }
    links += 1
    return { root, argument: './'.repeat(links) + root.link.real.toString('latin1').replace(/^\/+/, '') }
  })
}

function isUnderDeployment(root: Root): boolean {
  return root.base === 'deployment' && root.link === undefined
}

function from(directory: string, named: readonly RootArgument[]): readonly string[] {
  if (named.length === 0) return []
  return [`--directory=${directory}`, ...named.map(({ argument }) => utf8Argument(`--add-file=${argument}`))]
}

/** `S`: the targets of symlinks stay as they are; those of hard links are members and are renamed too. */
function renameArgument({ root, argument }: RootArgument): readonly string[] {
  if (root.link === undefined) return root.name === '' ? ['--transform=s,^\\./,,S'] : []
  return [
    utf8Argument(
      `--transform=s,^${literalBasic(argument)}\\(/\\|$\\),${literalReplacement(latin1(root.name))}\\1,S`,
    ),
  ]
}

/** Patterns that name a path below a root by the root's own name work below a root that is a symlink as well. */
function excludeArguments(named: readonly RootArgument[], exclude: readonly string[]): readonly string[] {
  const patterns = allExcludes(exclude).flatMap((pattern) => [
    pattern,
    ...named
      .filter(({ root }) => root.link !== undefined && pattern.startsWith(`${root.name}/`))
      .map(({ root, argument }) =>
        utf8Argument(argument.replaceAll(/[*?[\]\\]/g, '\\$&') + latin1(pattern.slice(root.name.length))),
      ),
  ])
  return [
    '--no-anchored',
    '--wildcards',
    '--no-wildcards-match-slash',
    ...patterns.map((pattern) => `--exclude=${pattern}`),
  ]
}

/** Text as a basic regular expression of sed that matches just it. */
function literalBasic(text: string): string {
  return text.replaceAll(/[\\.*^$[\],]/g, '\\$&').replaceAll('\n', '\\n')
}

function literalReplacement(text: string): string {
  return text.replaceAll(/[\\&,]/g, '\\$&').replaceAll('\n', '\\n')
}

function withoutSlashes(path: string): string {
  return path.replaceAll(/^\/+|\/+$/g, '')
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** Arguments travel as UTF-8 text. Bytes that are none become U+FFFD, and tar then says that it has no such file. */
function utf8Argument(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
