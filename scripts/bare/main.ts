// The README's two commands in a bare Debian 12: a root made by debootstrap, with this machine's own Node and npm and
// nothing else of it but where packages come from. The commit that is checked out is cloned into it.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensurePrograms } from '../../test/lab/install.ts'

const SUITE = 'bookworm'
/** What a bare machine has besides Debian's required packages and apt. */
const PACKAGES = ['ca-certificates']
const ROOT = join(import.meta.dirname, '../..')

/** Without --all: all unit tests, and files of each other project that need each kind of server. */
const SAMPLE = [
  'test/unit/',
  'test/integration/remote-host.test.ts',
  'test/integration/docker-look.test.ts',
  'test/e2e/pull.test.ts',
  'test/e2e/sudo.test.ts',
  'test/integration/crypto-memory.test.ts',
]

/** Where packages come from, and who vouches for it. */
const SETTINGS = [
  ...['/etc/apt/sources.list', '/etc/apt/sources.list.d', '/etc/apt/apt.conf.d', '/etc/apt/auth.conf.d'],
  ...['/etc/apt/trusted.gpg.d', '/usr/share/keyrings', '/etc/resolv.conf', '/etc/hosts'],
  ...['/etc/ssl/certs/ca-certificates.crt'],
]
const VARIABLES =
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no|all)_proxy|npm_config_(registry|cafile|ca|proxy|https_proxy|noproxy))$/i

const { values } = parseArgs({ options: { all: { type: 'boolean' } } })

await ensurePrograms({ debootstrap: 'debootstrap', git: 'git' })
const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'relay-backup-bare')
const base = bareRoot()
const run = mkdtempSync(join(realpathSync(tmpdir()), 'bare-'))
try {
  execFileSync('git', ['clone', '--quiet', '--no-local', ROOT, join(run, 'checkout')], { stdio: 'inherit' })
  settingsInto(join(run, 'upper'))
  const node = realpathSync(which('node'))
  const npm = dirname(dirname(realpathSync(which('npm'))))
  const { status } = spawnSync(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'],
      ...['sh', join(import.meta.dirname, 'enter.sh'), base, run, node, npm, cache],
      ...(values.all === true ? [] : SAMPLE),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'], env: environment() },
  )
  if (status !== 0) {
    process.stderr.write(`\nThe README's commands fail on a bare machine (exit ${status}).\n`)
    process.exitCode = 1
  }
} finally {
  rmSync(run, { recursive: true, force: true, maxRetries: 5 })
}

/** Made once for a list of packages. */
function bareRoot(): string {
  const name = createHash('sha256')
    .update([SUITE, ...PACKAGES].join(' '))
    .digest('hex')
    .slice(0, 12)
  const path = join(cache, `root-${name}`)
  if (existsSync(path)) return path
  mkdirSync(cache, { recursive: true })
  const making = `${path}.making`
  rmSync(making, { recursive: true, force: true })
  const mirror = execFileSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', `Codename: ${SUITE}`],
    { encoding: 'utf8' },
  ).split('\n')[0]
  const options = ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, making]
  execFileSync('debootstrap', [...options, ...(mirror === undefined || mirror === '' ? [] : [mirror])], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  renameSync(making, path)
  return path
}

function settingsInto(layer: string): void {
  // debootstrap's own list names its mirror a second time.
  mkdirSync(join(layer, 'etc/apt'), { recursive: true })
  writeFileSync(join(layer, 'etc/apt/sources.list'), '')
  for (const path of SETTINGS.filter((each) => existsSync(each))) {
    mkdirSync(join(layer, dirname(path)), { recursive: true })
    cpSync(path, join(layer, path), { recursive: true, dereference: true })
  }
  mkdirSync(join(layer, 'root'), { recursive: true, mode: 0o700 })
  const files = ['userconfig', 'globalconfig'].map((key) =>
    execFileSync(which('npm'), ['config', 'get', key], { encoding: 'utf8', cwd: '/' }).trim(),
  )
  // One file with both: whoever set them, the root's npm reads its user's.
  const text = files
    .filter((file) => existsSync(file))
    .map((file) => execFileSync('cat', [file], { encoding: 'utf8' }))
  writeFileSync(join(layer, 'root/.npmrc'), text.join('\n'), { mode: 0o600 })
}

function environment(): NodeJS.ProcessEnv {
  const passed = Object.entries(process.env).filter(([name]) => VARIABLES.test(name))
  return {
    ...Object.fromEntries(passed),
    HOME: '/root',
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    ...(process.env['CI'] === undefined ? {} : { CI: process.env['CI'] }),
  }
}

/** The machine's own: the repository's Node comes first on the path of npm's scripts. */
function which(program: string): string {
  const folder = (process.env['PATH'] ?? '')
    .split(delimiter)
    .find((each) => !each.includes('node_modules') && existsSync(join(each, program)))
  if (folder === undefined) throw new Error(`no ${program} on the PATH`)
  return join(folder, program)
}
