// Bundles src/ into dist/ (docs/decisions/0008-bundle.md), and puts the files that it reads there, too.
import { cpSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { writeManPages } from './man.ts'

/** Libraries of many small files: loading these takes longer than running what is used of them. */
const BUNDLED = ['yaml', 'zod']

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** What src/assets.ts is asked for, relative to src/. */
const ASSETS = [...globSync('**/scripts', { cwd: join(root, 'src') }), 'commands/shells', 'demo/sample.rdb']

const dist = join(root, 'dist')
const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

rmSync(dist, { recursive: true, force: true })
const bundle = await rolldown({
  cwd: root,
  input: { start: 'src/start.ts', 'keychain-child': 'src/secrets/keychain-child.ts' },
  platform: 'node',
  // The oldest Node that bin/ lets in: it knows no `using`.
  transform: { target: 'node22.15' },
  external: Object.keys(dependencies).map((name) => new RegExp(`^${name}(/|$)`)),
})
await bundle.write({
  dir: dist,
  entryFileNames: '[name].js',
  // src/assets.ts counts on all code being in one directory.
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
})
await bundle.close()

for (const path of ASSETS) cpSync(join(root, 'src', path), join(dist, path), { recursive: true })
mkdirSync(join(dist, 'licenses'))
const require = createRequire(import.meta.url)
for (const name of BUNDLED) {
  const license = join(dirname(require.resolve(`${name}/package.json`)), 'LICENSE')
  cpSync(license, join(dist, 'licenses', name))
}
writeManPages(join(dist, 'man'))
