// The single file as a Debian package, with what Debian's users look for beside it.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Architecture } from './from-npm.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Where each shell looks for completions that a package brings. */
const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/relay-backup',
  zsh: 'usr/share/zsh/vendor-completions/_relay-backup',
  fish: 'usr/share/fish/vendor_completions.d/relay-backup.fish',
}
const DOCUMENTS = 'usr/share/doc/relay-backup'

/** What a Debian package is made of. */
export interface DebianInput {
  /** The single file. */
  readonly file: string
  readonly architecture: Architecture
  readonly version: string
  readonly licences: string
}

/** Writes `relay-backup_VERSION-1_ARCH.deb` into `folder`. */
export function writeDebianPackage(folder: string, input: DebianInput): void {
  const tree = mkdtempSync(join(tmpdir(), 'debian-'))
  try {
    chmodSync(tree, 0o755)
    const put = (path: string, content: string | Uint8Array, mode = 0o644): void => {
      // The umask is not asked: dpkg takes the modes as they are.
      for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
        mkdirSync(join(tree, path.slice(0, at)), { recursive: true })
        chmodSync(join(tree, path.slice(0, at)), 0o755)
      }
      writeFileSync(join(tree, path), content)
      chmodSync(join(tree, path), mode)
    }
    const copy = (path: string, source: string): void => put(path, readFileSync(join(ROOT, source)))
    const compressed = (text: string): Buffer => gzipSync(text, { level: 9 })
    const date = lastCommit('%aD')
    const who = maintainer()

    put('usr/bin/relay-backup', '')
    copyFileSync(input.file, join(tree, 'usr/bin/relay-backup'))
    chmodSync(join(tree, 'usr/bin/relay-backup'), 0o755)
    put(`${DOCUMENTS}/copyright`, copyright(input.licences))
    put(`${DOCUMENTS}/changelog.gz`, compressed(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')))
    put(
      `${DOCUMENTS}/changelog.Debian.gz`,
      compressed(
        `relay-backup (${input.version}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${who}  ${date}\n`,
      ),
    )
    for (const page of globSync('*.[15]', { cwd: join(ROOT, 'dist/man') }))
      put(
        `usr/share/man/man${page.at(-1)}/${page}.gz`,
        compressed(readFileSync(join(ROOT, 'dist/man', page), 'utf8')),
      )
    for (const script of globSync('completion.*', { cwd: join(ROOT, 'dist/commands/shells') }))
      copy(
        COMPLETIONS[script.split('.').at(-1) as keyof typeof COMPLETIONS],
        `dist/commands/shells/${script}`,
      )
    for (const name of ['relay-backup.service', 'relay-backup.timer'])
      copy(`${DOCUMENTS}/examples/${name}`, `packaging/systemd/${name}`)
    copy(`${DOCUMENTS}/examples/hosts.yaml`, 'hosts.example.yaml')
    copy('usr/share/lintian/overrides/relay-backup', 'packaging/lintian-overrides')

    const files = globSync('**/*', { cwd: tree }).filter((path) => statSync(join(tree, path)).isFile())
    const size = files.reduce((sum, path) => sum + Math.ceil(statSync(join(tree, path)).size / 1024), 0)
    put('DEBIAN/control', control(input, size))
    put('DEBIAN/md5sums', files.map((path) => `${md5(join(tree, path))}  ${path}\n`).join(''))
    execFileSync('dpkg-deb', ['--build', '--root-owner-group', tree, folder], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: lastCommit('%at') },
    })
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

function control(input: DebianInput, size: number): string {
  return `Package: relay-backup
Version: ${input.version}-1
Section: admin
Priority: optional
Architecture: ${input.architecture === 'x64' ? 'amd64' : input.architecture}
Maintainer: ${maintainer()}
Installed-Size: ${size}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6
Recommends: openssh-client
Suggests: gnupg
Description: encrypted, verified backups of deployment servers over SSH
 A pull takes a consistent snapshot of a deployment (files, logs, settings,
 Redis), streams it as OpenPGP-encrypted tarballs into a local vault, reads it
 back while it streams, and keeps as many as was asked for. Nothing is
 installed on the server. The archives open with gpg and tar.
`
}

/** Debian's machine-readable form, with each library's own text behind. */
function copyright(licences: string): string {
  const indented = licences.split('\n').map((line) => (line.trim() === '' ? ' .' : ` ${line}`))
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: relay-backup
Comment: The program is one file with Node.js and the libraries that are named below.

Files: *
Copyright: 2026 the relay-backup authors
License: MIT-and-others
${indented
  .join('\n')
  .trimEnd()
  .replace(/(\n \.)+$/, '')}
`
}

/** Who makes the package, as Debian's own tools are told; else who made the last commit. */
function maintainer(): string {
  const { DEBFULLNAME: name, DEBEMAIL: address } = process.env
  return name && address ? `${name} <${address}>` : lastCommit('%an <%ae>')
}

function lastCommit(format: string): string {
  return execFileSync('git', ['log', '-1', `--format=${format}`], { cwd: ROOT, encoding: 'utf8' }).trim()
}

function md5(file: string): string {
  return createHash('md5').update(readFileSync(file)).digest('hex')
}
