// Whose code is in the single file, and under which terms.
import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { nodePackage } from './from-npm.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Bundled into dist/, so npm's list of what runs does not have them. */
const BUNDLED = ['yaml', 'zod']

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly dependencies?: Readonly<Record<string, string>>
}

/** The licences of this program, of each library in it, and of Node. */
export function licenceText(): string {
  const { dependencies } = manifestIn(ROOT)
  const folders = new Set<string>()
  for (const name of [...Object.keys(dependencies ?? {}), ...BUNDLED]) collect(name, ROOT, folders)
  const libraries = [...folders].map((folder) => {
    const { name, version, license } = manifestIn(folder)
    return `${name} ${version} (${license})\n\n${licenceIn(folder)}`
  })
  const rebuild =
    'OpenPGP.js is under the LGPL: npm run package makes this program anew with another version of it, from the sources\n' +
    'of the program, which are under the MIT licence.'
  const node = `Node.js\n\n${readFileSync(join(nodePackage('x64'), 'LICENSE'), 'utf8').trim()}`
  const own = `relay-backup\n\n${readFileSync(join(ROOT, 'LICENSE'), 'utf8').trim()}\n\n${rebuild}`
  return `${[own, ...libraries.sort(), node].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

/** The package and all that it needs, found as Node finds them. */
function collect(name: string, from: string, folders: Set<string>): void {
  const folder = createRequire(join(from, 'package.json'))
    .resolve.paths(name)
    ?.map((path) => join(path, name))
    .find((path) => globSync('package.json', { cwd: path }).length > 0)
  // Optional parts for other systems are not installed.
  if (folder === undefined || folders.has(folder)) return
  folders.add(folder)
  for (const next of Object.keys(manifestIn(folder).dependencies ?? {})) collect(next, folder, folders)
}

function licenceIn(folder: string): string {
  const [file] = globSync('{LICEN[CS]E,licen[cs]e}*', { cwd: folder })
  return file === undefined
    ? 'The package has no text of its licence.'
    : readFileSync(join(folder, file), 'utf8').trim()
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}
