import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openVault } from '../../src/vault/open-vault.ts'
import { runCli } from '../lab/cli.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'
import { makeDays } from '../unit/vault/fixtures.ts'

// Real shells at a pseudo-terminal: what stands on the line after the Tab is what a stand-in of the program is started with.

const BIN = join(import.meta.dirname, '../../bin/relay-backup.js')
const CONFIG = `version: 1
vault: vault
encryption: { passphrase: { command: "touch asked; echo x" } }
hosts:
  prod: { ssh: root@127.0.0.1, deployment: /srv/app, tags: [live], sources: { logs: { kind: files, path: logs }, env: { kind: files, path: .env } } }
  staging: { ssh: root@127.0.0.1, deployment: /srv/app }
`
const TAB = '\t'

let temp: TempDir
beforeAll(async () => {
  temp = await tempDir()
  await writeFile(join(temp.path, 'hosts.yaml'), CONFIG)
  await mkdir(join(temp.path, 'out-here'))
  const vault = await openVault(join(temp.path, 'vault'))
  await makeDays(vault, 'prod', new Date('2025-11-20T02:00:00Z'), 1)
  await makeDays(vault, 'old', new Date('2025-10-20T02:00:00Z'), 1)
  await mkdir(join(temp.path, 'bin'))
  await writeFile(
    join(temp.path, 'bin/relay-backup'),
    `#!/bin/sh
case $1 in
  __complete | completion) exec '${process.execPath}' '${BIN}' "$@" ;;
esac
printf '%s|' "$@" >>'${join(temp.path, 'typed')}'
echo >>'${join(temp.path, 'typed')}'
`,
    { mode: 0o755 },
  )
})
afterAll(() => temp[Symbol.asyncDispose]())

const environment = () => ({
  ...process.env,
  PATH: `${join(temp.path, 'bin')}:${process.env['PATH'] ?? ''}`,
  HOME: temp.path,
  TERM: 'dumb',
  RELAY_BACKUP_CONFIG: '',
})

/** What is typed, and the words that the program gets. */
const LINES: readonly (readonly [string, readonly string[]])[] = [
  [`key exp${TAB}--t${TAB}x`, ['key', 'export', '--to', 'x']],
  [`pull pr${TAB}--source lo${TAB}`, ['pull', 'prod', '--source', 'logs']],
  [`restore --host=st${TAB}`, ['restore', '--host=staging']],
  [`show prod/2${TAB}`, ['show', 'prod/20251120T020000Z']],
  // No blank after the colon: a path follows.
  [`ls prod/latest lo${TAB}app`, ['ls', 'prod/latest', 'logs:app']],
  [`--config hos${TAB}verify`, ['--config', 'hosts.yaml', 'verify']],
]

test.each([
  ['bash', 'bash --norc --noprofile -i', 'source <(relay-backup completion bash)'],
  ['zsh', 'zsh -f -i', 'autoload -U compinit; compinit -D; source <(relay-backup completion zsh)'],
])('%s completes commands, flags, hosts, snapshots, sources and files', async (_, shell, load) => {
  await rm(join(temp.path, 'typed'), { force: true })
  const lines = LINES.map(([line]) => `relay-backup ${line}`)
  // Ctrl-U takes the line away before it is run. What stood there is not for the completion to run.
  const taken = `relay-backup list "$(touch ran)" \`touch ran\` $(touch ran) pr${TAB}\x15exit`
  const { stdout } = spawnSync('script', ['-qec', shell, '/dev/null'], {
    cwd: temp.path,
    env: environment(),
    input: [load, ...lines, taken, 'exit', ''].join('\n'),
    encoding: 'utf8',
    timeout: 50_000,
  })
  const typed = existsSync(join(temp.path, 'typed')) ? await readFile(join(temp.path, 'typed'), 'utf8') : ''
  expect(typed.split('\n').slice(0, -1), stdout).toEqual(LINES.map(([, words]) => `${words.join('|')}|`))
  for (const file of ['asked', 'ran']) expect(existsSync(join(temp.path, file)), file).toBe(false)
})

test('fish completes commands, flags, hosts, snapshots, sources and files', () => {
  const lines: readonly (readonly [string, string])[] = [
    ['key exp', 'export'],
    ['pull prod --source lo', 'logs'],
    ['restore --host=st', '--host=staging'],
    ['show old/l', 'old/latest'],
    ['ls prod/latest lo', 'logs:'],
    ['--config hos', 'hosts.yaml'],
    ['extract prod/latest --to out', 'out-here/'],
  ]
  const { stdout, stderr } = spawnSync(
    'fish',
    [
      '--no-config',
      '-c',
      [
        'relay-backup completion fish | source',
        ...lines.map(([line]) => `complete -C 'relay-backup ${line}'`),
      ].join('\n'),
    ],
    { cwd: temp.path, env: environment(), encoding: 'utf8' },
  )
  expect(stderr).toBe('')
  expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([
    ...lines.map(([, word]) => word),
    '',
  ])
})

test('what the config does not tell is not offered, and there is no error', async () => {
  const ask = (...words: string[]) => runCli(['__complete', '--', ...words], { cwd: temp.path })
  for (const words of [
    ['--config', '/nowhere', 'pull', ''],
    ['--config', 'vault/vault.json', 'pull', '--source', ''],
    ['nonsense', ''],
    ['pull', '--nonsense', '--if-older-than', ''],
  ]) {
    expect(await ask(...words), words.join(' ')).toEqual({ code: 0, stdout: 'words\n', stderr: '' })
  }
})
