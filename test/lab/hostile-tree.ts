import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  symlink,
  writeFile,
  chown,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface HostileTreeOptions {
  /** Bytes of the sparse file; default 1 GiB. */
  readonly sparseBytes?: number
  /** Extended attributes and ACLs, where the file system has them. */
  readonly attributes?: boolean
}

/** Names that shells, terminals, tars and readers of lines stumble over. */
export const HOSTILE_NAMES: readonly Buffer[] = [
  'line\nbreak',
  'ends with a line break\n',
  '-leading-dash',
  '--checkpoint-action=exec=touch pwned',
  '--checkpoint=1',
  '-T',
  "single'quote",
  'double"quote',
  '$(touch pwned)',
  '`touch pwned`',
  '${HOME}',
  'back\\slash',
  'back\\nslash-n',
  'ends with a backslash\\',
  ' leading space',
  'trailing space ',
  'tab\tin it',
  '*',
  '?[a-z]',
  '!',
  '~',
  '#comment',
  ';rm -rf .',
  'a: file changed as we read it',
  'carriage\rreturn',
  'escape\x1b[31mred',
  'ünïcödé ☃',
  'right-to-left \u202e',
  '...',
  'n'.repeat(255),
  'ends in a slash-like \\057',
]
  .map((name) => Buffer.from(name, 'utf8'))
  .concat([
    Buffer.from('not utf-8 \xff\xfe\xe9', 'latin1'),
    Buffer.from('\x80', 'latin1'),
    Buffer.from('\x01\x7f', 'latin1'),
  ])

/**
 * Builds the tree of everything that a backup can stumble over in `root`, which must exist. Socket files are
 * `sockets/socket`. As root, some owners are others.
 */
export async function buildHostileTree(root: string, options: HostileTreeOptions = {}): Promise<void> {
  const at = (...parts: (string | Buffer)[]): Buffer =>
    Buffer.concat([Buffer.from(root), ...parts.flatMap((part) => [Buffer.from('/'), Buffer.from(part)])])

  await mkdir(at('names'))
  for (const name of HOSTILE_NAMES)
    await writeFile(at('names', name), Buffer.concat([Buffer.from('of '), name]))
  await mkdir(at('directories'))
  for (const name of HOSTILE_NAMES) {
    await mkdir(at('directories', name))
    await writeFile(at('directories', name, 'inside'), 'x')
  }

  let deep = at('deep')
  await mkdir(deep)
  for (let level = 0; level < 6; level += 1) {
    deep = Buffer.concat([deep, Buffer.from(`/${'d'.repeat(50)}`)])
    await mkdir(deep)
  }
  await writeFile(Buffer.concat([deep, Buffer.from('/file')]), 'at the end of 300 bytes of path')
  await writeFile(Buffer.concat([deep, Buffer.from('/'), HOSTILE_NAMES[29] ?? Buffer.from('n')]), 'long')

  await mkdir(at('links'))
  await writeFile(at('links', 'first'), 'linked')
  await link(at('links', 'first'), at('links', 'second'))
  await mkdir(at('links', 'sub'))
  await link(at('links', 'first'), at('links', 'sub', '-third\n'))
  await symlink('first', at('links', 'in'))
  await symlink('../../outside', at('links', 'out'))
  await symlink('/etc/passwd', at('links', 'absolute'))
  await symlink('nowhere\nat all', at('links', 'dangling'))
  await symlink('t'.repeat(300), at('links', 'long'))
  await symlink(Buffer.from('\xff', 'latin1'), at('links', 'to-bytes'))
  await link(at('links', 'in'), at('links', 'in-again'))

  await mkdir(at('empty'))
  await mkdir(at('empty', 'deeper'))
  await writeFile(at('zero'), '')
  await run('mkfifo', ['-m', '640', `${root}/fifo`])
  await mkdir(at('sockets'))
  await makeSocket(`${root}/sockets/socket`)

  const sparse = await open(at('sparse'), 'w')
  const size = options.sparseBytes ?? 1024 ** 3
  await sparse.truncate(size)
  await sparse.write('in the middle', Math.floor(size / 2))
  await sparse.close()

  await mkdir(at('modes'))
  const modes = [0o4755, 0o2755, 0o1777, 0o000, 0o400, 0o777, 0o6711]
  for (const mode of modes) {
    const file = at('modes', mode.toString(8))
    await writeFile(file, mode.toString(8))
    if (process.getuid?.() === 0) await chown(file, 12345, 54321)
    await chmod(file, mode)
  }
  await mkdir(at('modes', 'sticky'))
  await chmod(at('modes', 'sticky'), 0o3777)

  if (options.attributes === true) {
    await writeFile(at('attributes'), 'x')
    await run('setfattr', ['-n', 'user.relay', '-v', 'a value\nwith = and \\', `${root}/attributes`])
    await run('setfacl', ['-m', 'u:1234:rwx', `${root}/attributes`])
    await run('setfacl', ['-d', '-m', 'u:1234:rx', `${root}/empty`])
  }

  await mkdir(at('times'))
  const times: [string, string][] = [
    ['before-1970', '1965-03-04 05:06:07.25'],
    ['ns', '2024-01-02 03:04:05.123456789'],
    ['far', '2200-01-01 00:00:00'],
    ['epoch', '1970-01-01 00:00:00'],
  ]
  for (const [name, time] of times) {
    await writeFile(at('times', name), name)
    await run('touch', ['-d', `${time} UTC`, `${root}/times/${name}`])
  }
  await symlink('ns', at('times', 'link'))
  await lutimes(at('times', 'link'), 1000, 1_000_000)
  await run('touch', ['-d', '2001-02-03 04:05:06.7 UTC', `${root}/times`])
}

async function makeSocket(path: string): Promise<void> {
  // Node removes the socket file when it closes the server; a moved one stays.
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(`${path}.new`, resolve)
  })
  await run('mv', [`${path}.new`, path])
  await new Promise((resolve) => server.close(resolve))
}

/** What is compared of one file. */
export interface TreeNode {
  readonly type: string
  readonly mode: string
  readonly owner: string
  readonly size: string
  readonly mtimeNs: string
  readonly content: string
  /** The first name, by bytes, of the same inode. */
  readonly inodeOf: string
}

export interface ReadTreeOptions {
  /** What some tars lose: times are cut to whole seconds, and none is before 1970. */
  readonly wholeSeconds?: boolean
  /** Names (latin1, relative) to leave out. */
  readonly except?: readonly string[]
}

/** Reads a tree whole; names are relative, in latin1. Sockets are left out, as every tar leaves them out. */
export async function readTree(root: string, options: ReadTreeOptions = {}): Promise<Map<string, TreeNode>> {
  const nodes = new Map<string, TreeNode>()
  const inodes = new Map<string, string>()
  async function visit(path: Buffer, name: string): Promise<void> {
    const stat = await lstat(path, { bigint: true })
    if (stat.isSocket() || options.except?.includes(name)) return
    const inode = `${stat.dev}:${stat.ino}`
    const inodeOf = stat.isDirectory() ? name : (inodes.get(inode) ?? name)
    inodes.set(inode, inodeOf)
    const seconds = stat.mtimeNs / 1_000_000_000n
    const cut = seconds < 0n || stat.mtimeNs < 0n ? 0n : seconds * 1_000_000_000n
    nodes.set(name, {
      type: (stat.mode & 0o170000n).toString(8),
      mode: (stat.mode & 0o7777n).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      size: stat.isFile() ? String(stat.size) : '',
      mtimeNs: String(options.wholeSeconds === true ? cut : stat.mtimeNs),
      content: stat.isFile()
        ? await hashOf(path)
        : stat.isSymbolicLink()
          ? (await readlink(path, { encoding: 'buffer' })).toString('latin1')
          : '',
      inodeOf,
    })
    if (!stat.isDirectory()) return
    const names = await readdir(path, { encoding: 'buffer' })
    for (const child of names.sort(Buffer.compare)) {
      const below = name === '' ? child.toString('latin1') : `${name}/${child.toString('latin1')}`
      await visit(Buffer.concat([path, Buffer.from('/'), child]), below)
    }
  }
  await visit(Buffer.from(root), '')
  return nodes
}

/** Every difference between two trees, one line each; empty when they are alike. */
export function compareTrees(
  expected: ReadonlyMap<string, TreeNode>,
  actual: ReadonlyMap<string, TreeNode>,
): readonly string[] {
  const names = new Set([...expected.keys(), ...actual.keys()])
  return [...names].sort().flatMap((name) => {
    const left = expected.get(name)
    const right = actual.get(name)
    const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)
    if (left === undefined || right === undefined) {
      return [`${shown}: only ${left === undefined ? 'in the copy' : 'in the original'}`]
    }
    return (Object.keys(left) as (keyof TreeNode)[])
      .filter((key) => left[key] !== right[key])
      .map((key) => `${shown}: ${key} is ${right[key]}, was ${left[key]}`)
  })
}

/** Extended attributes and ACLs of a whole tree as text, in an order of its own. */
export async function readAttributes(root: string): Promise<readonly string[]> {
  const { stdout } = await run('getfattr', ['-R', '-h', '-d', '-m', '-', '-e', 'hex', '.'], { cwd: root })
  return stdout
    .split('\n\n')
    .filter((block) => block !== '')
    .sort()
}

async function hashOf(path: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
