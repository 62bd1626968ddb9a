import { execFileSync, spawn } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../lab/cli.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'
import { startWorld, type World } from '../lab/world.ts'

const BIN = join(import.meta.dirname, '../../bin/relay-backup.js')
let world: World
let temp: TempDir
let fingerprint: string

beforeAll(async () => {
  world = await startWorld()
  temp = await tempDir()
  const key = join(temp.path, 'host.pub')
  await writeFile(key, `${world.sshd.hostPublicKeys[0]}\n`)
  fingerprint = /SHA256:\S+/.exec(execFileSync('ssh-keygen', ['-lf', key], { encoding: 'utf8' }))?.[0] ?? ''
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

/** An empty home, but for the alias `shop` of ~/.ssh/config. */
async function newUser(
  name: string,
): Promise<{ readonly home: string; readonly env: Record<string, string> }> {
  const home = join(temp.path, name)
  await mkdir(join(home, '.ssh'), { recursive: true })
  await writeFile(
    join(home, '.ssh/config'),
    `Host shop\n  HostName 127.0.0.1\n  Port ${world.sshd.port}\n  User root\n` +
      `  IdentityFile ${world.sshd.identityFile}\n  UserKnownHostsFile ${home}/.ssh/known_hosts\n`,
  )
  await writeFile(join(home, 'passphrase'), 'correct horse\n', { mode: 0o600 })
  const cache = join(temp.path, 'cache')
  return { home, env: { HOME: home, XDG_CONFIG_HOME: '', XDG_CACHE_HOME: cache, SSH_AUTH_SOCK: '' } }
}

test('from an empty home to the first good pull, by flags alone', async () => {
  const { home, env } = await newUser('by-flags')
  const cli = (...args: string[]) => runCli(args, { cwd: home, env })
  const server = ['shop', '--deployment', world.deployment]

  const unknown = await cli('init', ...server, '--yes', '--no-passphrase')
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toMatch(/is not known: .*SHA256:[\s\S]*--fingerprint/)
  const nowhere = await cli('init', 'me@127.0.0.1:1', '--yes', '--no-passphrase')
  expect(nowhere.code).toBe(1)
  expect(nowhere.stderr).toContain('What OpenSSH says: ssh -v -p 1 me@127.0.0.1')
  expect(nowhere.stderr).not.toContain('relay-backup check')
  const silent = await cli('init', ...server)
  expect(silent.code).toBe(2)
  expect(silent.stderr).toMatch(/--yes .*--dry-run/)
  const dry = await cli('init', ...server, '--fingerprint', fingerprint, '--dry-run')
  expect(dry.code, dry.stderr).toBe(0)
  expect(dry.stdout).toMatch(/^hosts:\n {2}shop:/m)
  expect((await readdir(home)).sort()).toEqual(['.ssh', 'passphrase'])

  const secret = ['--passphrase-file', 'passphrase', '--identity-page', 'page.html']
  const done = await cli('init', ...server, '--yes', ...secret, '--vault', 'vault', '--pull')
  expect(done.code, done.stderr).toBe(0)
  expect(done.stdout).toMatch(/burns down[\s\S]*page\.html/)
  expect(done.stdout + done.stderr).not.toContain('correct horse')
  const config = await readFile(join(home, 'hosts.yaml'), 'utf8')
  expect(config).toContain(
    `redis_data: { kind: redis, path: redis_data, address: 127.0.0.1:${world.redis.port} }`,
  )
  for (const [file, mode] of [
    ['keys/backup.key.asc', 0o600],
    ['page.html', 0o600],
  ] as const)
    expect((await stat(join(home, file))).mode & 0o777).toBe(mode)
  expect((await cli('config', 'check')).code).toBe(0)
  expect((await cli('key', 'check')).code).toBe(0)
  expect((await cli('ls', 'shop/latest', 'config:')).stdout).toContain('.env')

  const again = await cli('init', ...server, '--yes')
  expect(again.code).toBe(2)
  expect(again.stderr).toContain('init --add-host')
  const more = await cli('init', ...server, '--add-host', '--yes', '--source', 'logs', 'config')
  expect(more.code, more.stderr).toBe(0)
  const grown = await readFile(join(home, 'hosts.yaml'), 'utf8')
  expect(grown.startsWith(config)).toBe(true)
  const checked = await cli('--json', 'config', 'check')
  expect(JSON.parse(checked.stdout)).toMatchObject({
    hosts: [{ name: 'shop' }, { name: 'shop_2', sources: [{}, {}] }],
  })
})

test('what fails at the end leaves nothing behind', async () => {
  const { home, env } = await newUser('fails')
  await writeFile(join(home, 'taken.html'), 'mine')
  const flags = ['--deployment', world.deployment, '--fingerprint', fingerprint, '--no-passphrase', '--yes']
  const result = await runCli(['init', 'shop', ...flags, '--identity-page', 'taken.html'], { cwd: home, env })
  expect(result.code).toBe(1)
  expect(result.stderr).toContain('never overwritten')
  expect((await readdir(home)).sort()).toEqual(['.ssh', 'passphrase', 'taken.html'])
  expect(await readFile(join(home, 'taken.html'), 'utf8')).toBe('mine')
})

/**
 * Lines of sh at a pseudo-terminal, `relay` being the program: types an answer when its question is there. `shown` is what
 * the terminal was sent.
 */
function talk(
  home: string,
  env: Record<string, string>,
  answers: readonly (readonly [RegExp, string])[],
  lines = 'relay init',
): Promise<{ readonly code: number | null; readonly screen: string; readonly shown: string }> {
  const command = `stty cols 80; relay() { ${process.execPath} ${BIN} "$@"; }; ${lines}`
  const { CI: _, ...inherited } = process.env
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: home,
    env: { ...inherited, TERM: 'xterm', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let screen = ''
  let seen = 0
  const left = [...answers]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    for (;;) {
      const [question, answer] = left[0] ?? []
      const at = question === undefined ? null : question.exec(stripVTControlCharacters(screen).slice(seen))
      if (at === null || answer === undefined) return
      seen = stripVTControlCharacters(screen).length
      left.shift()
      child.stdin.write(answer)
    }
  })
  // A question that never comes would be waited for without end.
  const patience = setTimeout(() => child.kill(), 80_000)
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(patience)
      resolve({
        code: left.length === 0 ? code : null,
        screen: stripVTControlCharacters(screen),
        shown: screen,
      })
    })
  })
}

const ENTER = '\r'

test('from an empty home to the first good pull, at a terminal', async () => {
  const { home, env } = await newUser('at-a-terminal')
  const { code, screen } = await talk(home, env, [
    [/Which server\?/, `nowhere.invalid${ENTER}`],
    [/Next: [\s\S]*Which server\?/, `\x15shop${ENTER}`],
    [/Is this the fingerprint/, `y${ENTER}`],
    [/(Which app\?|Its directory on the server)/, `${world.deployment}${ENTER}`],
    [/What to back up\?/, ENTER],
    [/answers when the app is well/, ENTER],
    [/Its name in the config/, ENTER],
    [/Which snapshots stay\?/, ENTER],
    [/Where shall the snapshots be/, `\x15${join(home, 'vault')}${ENTER}`],
    [/No keychain answers/, ENTER],
    [/Passphrase for the new identity/, `one${ENTER}`],
    [/again/, `two${ENTER}`],
    [/differ[\s\S]*Passphrase for the new identity/, `horse${ENTER}`],
    [/again/, `horse${ENTER}`],
    [/kept besides here\?/, ENTER],
    [/Which file\?/, ENTER],
    [/Write .*hosts\.yaml/, ENTER],
    [/Take the first snapshot\?/, ENTER],
  ])
  expect(code, screen).toBe(0)
  expect(screen).toContain('When this machine burns down')
  expect(screen).not.toContain('horse')
  expect((await readdir(join(home, 'vault/shop'))).filter((name) => name.startsWith('2'))).toHaveLength(1)
  expect((await stat(join(home, 'relay-backup-identity.html'))).mode & 0o777).toBe(0o600)

  // And what a new user does next, with wrong turns.
  const next = await talk(
    home,
    env,
    [
      [/Passphrase of/, `wrong${ENTER}`],
      [/does not unlock it/, `horse${ENTER}`],
      [/Which snapshot of shop/, ENTER],
      [/Passphrase of/, `horse${ENTER}`],
    ],
    `relay statsu; relay status; relay ls shop/latset; relay ls shop/latest logs:
     relay restore --host shpo --dry-run; relay restore --host shop --source logs --dry-run`,
  )
  expect(next.code, next.screen).toBe(0)
  expect(next.screen).not.toContain('horse')
  for (const said of [
    'Did you mean status?',
    'All is well.',
    'Did you mean "latest"?',
    'logs:logs/app.log',
    'Did you mean "shop"?',
    'logs (files): 2 entries, 18 B',
  ])
    expect(next.screen).toContain(said)
  // Questions are drawn anew over themselves.
  const lines = next.screen.split(/\r?\n/).filter((line) => !line.includes('? '))
  expect(lines.filter((line) => line.length > 80)).toEqual([])

  const plain = await talk(home, env, [], 'TERM=dumb relay status; NO_COLOR=1 relay list')
  expect(plain.code, plain.shown).toBe(0)
  expect(plain.shown).not.toContain('\x1b')
  // Two lines a snapshot, since eight columns have no room in 80.
  expect(plain.screen).toMatch(/^snapshot .* in vault\r\n {2}sources\r\nshop\/\d/m)
})

test('Ctrl-C in the middle leaves nothing', async () => {
  const { home, env } = await newUser('gives-up')
  const { code, screen } = await talk(home, env, [
    [/Which server\?/, `shop${ENTER}`],
    [/Is this the fingerprint/, '\x03'],
  ])
  expect(code, screen).toBe(130)
  expect((await readdir(home)).sort()).toEqual(['.ssh', 'passphrase'])
})
