// The program as one file that needs no Node: Node's own single executable (docs/decisions/0024-single-file.md).
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'
import { type Architecture, keyringPackage, nodeBinary } from './from-npm.ts'

const ROOT = join(import.meta.dirname, '../..')
const require = createRequire(import.meta.url)

/** By which Node knows that it carries a program (its documentation of single executable applications). */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/** Modules of libraries that load a native part, and the part that stands in for each. */
const NATIVE = {
  'fs-native-extensions/binding.js': 'fs-native-extensions.node',
  '@napi-rs/keyring/index.js': 'keyring.node',
}

/** Writes the program for Linux on this architecture to `file`. `npm run build` comes first. */
export async function writeSingleFile(file: string, architecture: Architecture): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'single-file-'))
  try {
    await bundle(join(work, 'program.cjs'))
    const configuration = {
      // Relative, because Node writes the path into the file.
      main: 'program.cjs',
      output: 'blob',
      disableExperimentalSEAWarning: true,
      // Code that V8 compiled is good for one architecture.
      useCodeCache: architecture === process.arch,
      // NODE_OPTIONS is for programs of which people know that they are Node.
      execArgvExtension: 'none',
      assets: {
        ...assets(),
        '../package.json': join(ROOT, 'package.json'),
        'native/fs-native-extensions.node': join(
          dirname(require.resolve('fs-native-extensions/package.json')),
          `prebuilds/linux-${architecture}/fs-native-extensions.node`,
        ),
        'native/keyring.node': join(keyringPackage(architecture), `keyring.linux-${architecture}-gnu.node`),
      },
    }
    writeFileSync(join(work, 'configuration.json'), JSON.stringify(configuration))
    run(work, ['--experimental-sea-config', 'configuration.json'])
    const made = `${file}.making`
    copyFileSync(nodeBinary(architecture), made)
    chmodSync(made, 0o755)
    const postject = join(dirname(require.resolve('postject')), 'cli.js')
    run(work, [postject, resolve(made), 'NODE_SEA_BLOB', configuration.output, '--sentinel-fuse', FUSE])
    renameSync(made, file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** What `npm run build` put beside the code. */
function assets(): Record<string, string> {
  const dist = join(ROOT, 'dist')
  const files = globSync('**/*.*', { cwd: dist, exclude: ['**/*.js', '**/*.map', 'licenses/**', 'man/**'] })
  return Object.fromEntries(files.map((path) => [path, join(dist, path)]))
}

/** All code in one CommonJS module: this version of Node takes no other. */
async function bundle(file: string): Promise<void> {
  const made = await rolldown({
    cwd: ROOT,
    input: 'src/single-file/start.ts',
    platform: 'node',
    transform: { target: 'node24' },
    plugins: [nativeParts],
  })
  await made.write({ file, format: 'cjs', codeSplitting: false, dynamicImportInCjs: false })
  await made.close()
}

const nativeParts: Plugin = {
  name: 'native-parts',
  load(id) {
    const part = Object.entries(NATIVE).find(([module]) => id.endsWith(`/node_modules/${module}`))?.[1]
    if (part === undefined) return undefined
    const loader = JSON.stringify(join(ROOT, 'src/single-file/native.ts'))
    return `module.exports = require(${loader}).loadNative(${JSON.stringify(part)})`
  },
  // ssh2 looks for both and does without: OpenSSL's AES, which is chosen first, is as fast through Node.
  resolveId(id) {
    return id === 'cpu-features' || id.endsWith('/sshcrypto.node') ? { id, external: true } : undefined
  },
}

/** Node takes what the same version of Node prepared. Tools that speak without need are heard when they fail. */
function run(folder: string, parameters: readonly string[]): void {
  execFileSync(nodeBinary(process.arch === 'arm64' ? 'arm64' : 'x64'), parameters, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}
