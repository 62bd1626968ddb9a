import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliResult, runCli } from '../lab/cli.ts'
import { expectClearFailure } from '../lab/unharmed.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'

const SECRET = 'hunter2-correct-horse'
const BIN = join(import.meta.dirname, '../../bin/relay-backup.js')
const CONFIG = `version: 1
vault: vault
encryption:
  passphrase: { file: passphrase }
hosts:
  prod: { ssh: root@127.0.0.1, deployment: /srv/app, sources: { logs: { kind: files, path: logs } } }
  staging: { ssh: root@127.0.0.1, deployment: /srv/app }
`

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir()
  await writeFile(join(temp.path, 'hosts.yaml'), CONFIG)
  await writeFile(join(temp.path, 'passphrase'), `${SECRET}\n`, { mode: 0o600 })
})
afterAll(() => temp[Symbol.asyncDispose]())

const cli = (...args: string[]): Promise<CliResult> => runCli(args, { cwd: temp.path })

interface Refusal {
  readonly args: readonly string[]
  readonly code: number
  readonly says: RegExp
  readonly next: RegExp
}

const REFUSALS: Record<string, Refusal> = {
  'an unknown host': {
    args: ['pull', 'prdo'],
    code: 2,
    says: /Unknown host "prdo"/,
    next: /Did you mean "prod"\? Configured: prod, staging/,
  },
  'an unknown source': {
    args: ['pull', 'prod', '--source', 'lgos'],
    code: 2,
    says: /Unknown source "lgos"/,
    next: /Did you mean "logs"\?/,
  },
  'an unknown command': {
    args: ['pul', 'prod'],
    code: 2,
    says: /unknown command 'pul'/,
    next: /Did you mean pull\? See: relay-backup --help/,
  },
  'an unknown flag': {
    args: ['pull', 'prod', '--sorce', 'logs'],
    code: 2,
    says: /unknown option '--sorce'/,
    next: /Did you mean --source\?/,
  },
  'a value that is none': {
    args: ['pull', 'prod', '--if-older-than', 'soon'],
    code: 2,
    says: /--if-older-than soon: not understood/,
    next: /--if-older-than 20h/,
  },
  'several hosts and none named': {
    args: ['pull'],
    code: 2,
    says: /Several hosts are configured: prod, staging/,
    next: /--all/,
  },
  'a config file that is not there': {
    args: ['--config', 'nowhere.yaml', 'pull', 'prod'],
    code: 2,
    says: /No config file at .*nowhere\.yaml \(from --config\)/,
    next: /Correct the path/,
  },
}

describe.each(Object.entries(REFUSALS))('%s', (_name, { args, code, says, next }) => {
  test('is refused with the next step', async () => {
    expectClearFailure(await cli(...args), { code, says, next })
  })

  test('is one JSON document on stdout with --json, and stderr holds no text', async () => {
    const result = await cli(...args, '--json')
    expect(result.code).toBe(code)
    const { error } = JSON.parse(result.stdout) as { error: { message: string; next: string } }
    expect(error.message).toMatch(says)
    expect(error.next).toMatch(next)
    expect(result.stderr).toBe('')
  })
})

test('without any config file, all the places that were looked at are named', async () => {
  const elsewhere = join(temp.path, 'elsewhere')
  await mkdir(elsewhere)
  const result = await runCli(['pull'], { cwd: elsewhere, env: { XDG_CONFIG_HOME: elsewhere } })
  expectClearFailure(result, {
    code: 2,
    says: /No config file; looked for .*hosts\.yaml/,
    next: /--config FILE/,
  })
})

test('typos in keys are all told, with their lines', async () => {
  const file = join(temp.path, 'typo.yaml')
  await writeFile(file, CONFIG.replace('vault: vault', 'vualt: vault').replace('path: logs', 'pth: logs'))
  const result = await cli('--config', file, 'pull', 'prod')
  expectClearFailure(result, { code: 2, says: /typo\.yaml:2:1: vualt: unknown key/, next: /config check/ })
  expect(result.stderr).toMatch(/Did you mean "vault"\?/)
  expect(result.stderr).toMatch(/typo\.yaml:6:\d+: .*pth: unknown key\n +Did you mean "path"\?/)
})

test('a secret file that others can read is refused, and never shown', async () => {
  await chmod(join(temp.path, 'passphrase'), 0o644)
  const result = await cli('pull', 'prod')
  expectClearFailure(result, {
    code: 1,
    says: /passphrase can be read by others \(mode 644\)/,
    next: /chmod 600 .*passphrase/,
    secrets: [SECRET],
  })
  await chmod(join(temp.path, 'passphrase'), 0o600)
})

test('a vault whose disk is not mounted is told as such', async () => {
  const file = join(temp.path, 'gone.yaml')
  await writeFile(
    file,
    (await readFile(join(temp.path, 'hosts.yaml'), 'utf8')).replace('vault: vault', 'vault: /proc/nowhere'),
  )
  const result = await cli('--config', file, 'pull', 'prod')
  expectClearFailure(result, { code: 1, says: /The vault.* is not there/, next: /mounted/ })
})

describe('at a terminal', () => {
  const RED = '\x1b[31m'
  const atTerminal = (env: Record<string, string>, ...flags: string[]): string =>
    typed(`exec ${[process.execPath, BIN, 'pull', 'prdo', ...flags].join(' ')}`, env)
  const typed = (command: string, env: Record<string, string>): string => {
    const { NO_COLOR: _, CI: __, ...inherited } = process.env
    try {
      return execFileSync('script', ['-qec', command, '/dev/null'], {
        cwd: temp.path,
        env: { ...inherited, TERM: 'xterm', XDG_STATE_HOME: temp.path, ...env },
        encoding: 'utf8',
      })
    } catch (error) {
      return (error as { stdout: string }).stdout
    }
  }

  test('errors are coloured, unless NO_COLOR or --no-color says otherwise', () => {
    expect(atTerminal({})).toContain(RED)
    for (const plain of [atTerminal({ NO_COLOR: '1' }), atTerminal({}, '--no-color')]) {
      expect(plain).toContain('Unknown host')
      expect(plain).not.toContain('\x1b')
    }
  })

  test.each([80, 120])('what is said fits %i columns, and a pipe gets it in whole lines', (columns) => {
    const config = CONFIG.replaceAll('staging', 'a-server-with-a-long-name')
    const names = Array.from({ length: 12 }, (_, at) => `  host-${at}: { ssh: root@127.0.0.1 }\n`)
    writeFileSync(join(temp.path, 'many.yaml'), config + names.join(''))
    const pull = [process.execPath, BIN, '--config', 'many.yaml', 'pull', 'prdo'].join(' ')
    const piped = typed(`stty cols ${columns}; ${pull} 2>&1 | cat`, {})
    expect(piped.split('\r\n').filter((line) => line !== '')).toHaveLength(2)
    const lines = typed(`stty cols ${columns}; exec ${pull}`, { NO_COLOR: '1' }).split('\r\n')
    expect(lines.filter((line) => line.length > columns)).toEqual([])
    expect(lines.join(' ').replace(/\s+/g, ' ').trim()).toBe(piped.replace(/\s+/g, ' ').trim())
    expect(lines.length).toBeGreaterThan(3)
  })
})
