import { execFileSync } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadScript, prepareScript } from '../../src/remote/scripts.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'

/** What makes tools leave files out, speak otherwise, or be other tools. */
const HOSTILE = {
  TAR_OPTIONS: '--exclude-vcs --exclude=*.bak',
  GZIP: '-1',
  ZSTD_CLEVEL: '19',
  ZSTD_NBTHREADS: '7',
  POSIXLY_CORRECT: '1',
  LANG: 'de_DE.UTF-8',
  LC_ALL: 'de_DE.UTF-8',
  LC_COLLATE: 'de_DE.UTF-8',
  LANGUAGE: 'de',
  IFS: 'r',
  CDPATH: '/tmp:/usr',
  GREP_OPTIONS: '--invert-match',
  TIME_STYLE: 'full-iso',
  QUOTING_STYLE: 'shell',
  BLOCK_SIZE: '1M',
  XZ_OPT: '-9',
  PS4: '$(exit 3)',
  SHELLOPTS: 'noglob:noexec',
  LD_LIBRARY_PATH: '/nowhere',
  DOCKER_DEFAULT_PLATFORM: 'linux/none',
  REDISCLI_AUTH: 'other',
  REDISCLI_HISTFILE: '/tmp/x',
  'BASH_FUNC_tar%%': '() { echo not tar; }',
  'BASH_FUNC_echo%%': '() { printf no; }',
  'BASH_FUNC_env%%': '() { printf no; }',
  'BASH_FUNC_printf%%': '() { command echo no; }',
  LINES_IN_IT: 'a\nb',
}
const ENGINE = {
  DOCKER_HOST: 'unix:///run/user/1/docker.sock',
  DOCKER_CONTEXT: 'rootless',
  DOCKER_CONFIG: '/home/a b/.docker',
  COMPOSE_PROJECT_NAME: 'app',
}

let temp: TempDir
let bashAsSh: string
beforeAll(async () => {
  temp = await tempDir()
  bashAsSh = join(temp.path, 'bash-as-sh')
  await mkdir(bashAsSh)
  await symlink('/bin/bash', join(bashAsSh, 'sh'))
  await writeFile(join(temp.path, 'start-file'), 'tar() { echo not tar; }\nalias tar=false\n')
})
afterAll(() => temp[Symbol.asyncDispose]())

const shells = [
  { login: 'dash', sh: 'dash' },
  { login: 'bash', sh: 'dash' },
  { login: 'bash', sh: 'bash' },
  { login: 'busybox sh', sh: 'dash' },
]

function serverEnvironment(sh: string): Record<string, string> {
  const { PATH = '/usr/bin:/bin' } = process.env
  const startFile = join(temp.path, 'start-file')
  return {
    ...HOSTILE,
    ...ENGINE,
    HOME: '/home/someone',
    PATH: sh === 'bash' ? `${bashAsSh}:${PATH}` : PATH,
    ENV: startFile,
    ...(sh === 'bash' ? {} : { BASH_ENV: startFile }),
  }
}

async function run(
  { login, sh }: { readonly login: string; readonly sh: string },
  script: string,
  args: readonly string[] = [],
  privilege?: 'sudo',
): Promise<string> {
  const [program = '', ...words] = login.split(' ')
  const { line, stdin } = await prepareScript(script, args, { privilege })
  // SHELLOPTS would make a login shell that is bash run nothing at all; sh still has to do without it.
  const { SHELLOPTS, ...env } = serverEnvironment(sh)
  return execFileSync(program, [...words, '-c', line], {
    input: stdin,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    env: login === 'bash' ? env : { ...env, SHELLOPTS },
  }).replace('relay-backup:begin\n', '')
}

describe.each(shells)("the server's environment, login shell $login, sh is $sh", (shell) => {
  it('does not reach a script, but for what leads to its user, its tools and its engine', async () => {
    const said = await run(shell, 'env -0 | tr "\\0" "\\n"')
    const names = said.split('\n').flatMap((line) => /^(\w[^=]*)=/.exec(line)?.[1] ?? [])
    const own = ['PWD', 'OLDPWD', 'SHLVL', '_', 'LC_ALL', 'PATH', 'HOME']
    expect(names.filter((name) => !own.includes(name)).sort()).toEqual(Object.keys(ENGINE).sort())
    expect(said).toContain('LC_ALL=C\n')
    for (const [name, value] of Object.entries(ENGINE)) expect(said).toContain(`${name}=${value}\n`)
  })

  it('leaves nothing out of an archive (regression: TAR_OPTIONS=--exclude-vcs)', async () => {
    const app = join(temp.path, 'app')
    await mkdir(join(app, 'data/.git'), { recursive: true })
    await writeFile(join(app, 'data/.git/HEAD'), 'ref')
    await writeFile(join(app, 'data/db.bak'), 'bak')
    const tar = ['--create', '--file=-', `--directory=${app}`, '--add-file=data']
    const said = await run(shell, await loadScript('sources/tree/tar'), ['n', 'none', '1', '1', ...tar])
    expect(said).toContain('data/.git/HEAD')
    expect(said).toContain('data/db.bak')
  })

  it('is there again for a command that is the user’s own', async () => {
    const script = `# RELAY_LOGIN\n${await loadScript('remote/lib/login')}
      umask 0077
      sh -c "$as_login" relay-backup sh -c 'umask; printf "%s|" "$LANG" "$TAR_OPTIONS" "$LINES_IN_IT" "\${RELAY_LOGIN-}"'`
    const umask = execFileSync('sh', ['-c', 'umask'], { encoding: 'utf8' })
    const said = await run(shell, script)
    expect(said).toBe(`${umask}${HOSTILE.LANG}|${HOSTILE.TAR_OPTIONS}|${HOSTILE.LINES_IN_IT}||`)
  })
})

it('does not come back with sudo that keeps it', async () => {
  const sudo = join(temp.path, 'sudo')
  await mkdir(sudo)
  await writeFile(join(sudo, 'sudo'), '#!/bin/sh\nshift 2\nexec "$@"\n')
  await chmod(join(sudo, 'sudo'), 0o755)
  const { line } = await prepareScript('env', [], { privilege: 'sudo' })
  const env = { ...process.env, ...HOSTILE, PATH: `${sudo}:${process.env['PATH']}` }
  const said = execFileSync('dash', ['-c', line], { env, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  expect(said).not.toContain('TAR_OPTIONS')
})
