// Node and the native parts for an architecture, from npm's packages of them.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

export type Architecture = 'x64' | 'arm64'

const ROOT = join(import.meta.dirname, '../..')
const require = createRequire(import.meta.url)

/** Node's packages of the version that `package.json` names. npm's lock knows only the one for this machine. */
const NODE = {
  version: '24.21.0',
  integrity: {
    x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
}

/** Node for Linux. The one for this machine is there already. */
export function nodeBinary(architecture: Architecture): string {
  return process.platform === 'linux' && architecture === process.arch
    ? join(dirname(require.resolve('node/package.json')), 'bin/node')
    : join(nodePackage(architecture), 'bin/node')
}

/** A directory with `bin/node` and Node's `LICENSE`. */
export function nodePackage(architecture: Architecture): string {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    devDependencies: { node: string }
  }
  if (devDependencies.node !== NODE.version)
    throw new Error(
      `scripts/package/from-npm.ts knows Node ${NODE.version}, package.json ${devDependencies.node}`,
    )
  return fetched(`node-linux-${architecture}`, NODE.version, NODE.integrity[architecture])
}

/** The directory with the keychain's library. */
export function keyringPackage(architecture: Architecture): string {
  const name = `@napi-rs/keyring-linux-${architecture}-gnu`
  try {
    return dirname(require.resolve(`${name}/package.json`))
  } catch {
    const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string; integrity: string }>
    }
    const locked = packages[`node_modules/${name}`]
    if (locked === undefined) throw new Error(`package-lock.json does not have ${name}`)
    return fetched(name, locked.version, locked.integrity)
  }
}

/** Kept in the user's cache, once its content is proven. */
function fetched(name: string, version: string, integrity: string): string {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'relay-backup-packages')
  const folder = join(cache, `${name.replace('/', '+')}-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const making = mkdtempSync(join(cache, 'making-'))
  try {
    const said = execFileSync('npm', ['pack', '--json', `${name}@${version}`], {
      cwd: making,
      encoding: 'utf8',
    })
    const packed = (JSON.parse(said) as { filename: string; integrity: string }[])[0]
    if (packed?.integrity !== integrity)
      throw new Error(`${name}@${version} has the integrity ${packed?.integrity}, not ${integrity}`)
    execFileSync('tar', ['-xzf', packed.filename], { cwd: making })
    renameSync(join(making, 'package'), folder)
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return folder
}
