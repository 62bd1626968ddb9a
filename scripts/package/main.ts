// Everything that a release consists of, in packages/ (docs/install.md): the program as one file and as a Debian package
// for each architecture, npm's tarball, a Homebrew formula, licences and checksums.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { writeDebianPackage } from './debian.ts'
import type { Architecture } from './from-npm.ts'
import { licenceText } from './licences.ts'
import { writeSingleFile } from './single-file.ts'

const ROOT = join(import.meta.dirname, '../..')
const PACKAGES = join(ROOT, 'packages')

const { values } = parseArgs({
  options: {
    arch: { type: 'string', multiple: true, default: ['x64', 'arm64'] },
    // Where the files will be downloaded from.
    url: { type: 'string', default: pathToFileURL(PACKAGES).href },
  },
})
const architectures = values.arch.map((each): Architecture => {
  if (each !== 'x64' && each !== 'arm64') throw new Error(`--arch is x64 or arm64, not ${each}`)
  return each
})
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

rmSync(PACKAGES, { recursive: true, force: true })
mkdirSync(PACKAGES)
const made: string[] = []
const licences = licenceText()
writeFileSync(add('relay-backup-licences.txt'), licences)
for (const architecture of architectures) {
  const file = add(`relay-backup-linux-${architecture}`)
  await writeSingleFile(file, architecture)
  writeDebianPackage(PACKAGES, { file, architecture, version, licences })
  add(`relay-backup_${version}-1_${architecture === 'x64' ? 'amd64' : architecture}.deb`)
}

const tarball = add(`relay-backup-${version}.tgz`)
execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', PACKAGES], { cwd: ROOT })
const formula = readFileSync(join(ROOT, 'packaging/relay-backup.rb'), 'utf8')
  .replace('@HOMEPAGE@', values.url)
  .replace('@URL@', `${values.url}/${basename(tarball)}`)
  .replace('@SHA256@', await sha256(tarball))
writeFileSync(add('relay-backup.rb'), formula)

let sums = ''
for (const file of made) sums += `${await sha256(file)}  ${basename(file)}\n`
writeFileSync(join(PACKAGES, 'SHA256SUMS'), sums)
process.stdout.write(sums)

function add(name: string): string {
  const file = join(PACKAGES, name)
  made.push(file)
  return file
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
