import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { loadScript, prepareScript } from '../../src/remote/scripts.ts'

const LOGIN_SHELLS = ['dash', 'bash', 'busybox sh']
const SCRIPT = `# a comment with 'quotes' and "more"
cat <<'END'
$HOME \\n \\\\ 100% !
END
printf '%s|' "$0" "$#" "$@"
cat
exit 7
`

const LONG_SCRIPT = `: ${'x'.repeat(40_000)}\n${SCRIPT}`

describe.each(
  LOGIN_SHELLS.flatMap((shell) => [
    ['a script', shell, SCRIPT] as const,
    ['a script that no packet of 35,000 bytes holds', shell, LONG_SCRIPT] as const,
  ]),
)('%s under the login shell %s', (_what, shell, text) => {
  it('says that it begins, gets its text, its arguments and its stdin unchanged, and its exit status counts', async () => {
    const [program = '', ...args] = shell.split(' ')
    const { line, stdin } = await prepareScript(text, ["a'b\n", '', '\\n!'])
    expect(line.length).toBeLessThan(35_000)
    let failure: { status?: number; stdout?: string } = {}
    try {
      execFileSync(program, [...args, '-c', line], {
        input: `${stdin}stdin\n`,
        encoding: 'utf8',
      })
    } catch (error) {
      failure = error as typeof failure
    }
    expect(failure.stdout).toBe(
      "relay-backup:begin\n$HOME \\n \\\\ 100% !\nrelay-backup|3|a'b\n||\\n!|stdin\n",
    )
    expect(failure.status).toBe(7)
  })
})

it('is one line, for login shells that end a quote there', async () => {
  const helper = { docker: { image: 'sha256:0', name: 'any' } }
  expect((await prepareScript('a\nb\n', [])).line).not.toContain('\n')
  expect((await prepareScript('a\nb\n', [], { privilege: helper })).line).not.toContain('\n')
})

it('asks sudo without a prompt', async () => {
  const { line } = await prepareScript('id', [], { privilege: 'sudo' })
  expect(line).toMatch(/^exec sudo -n -- sh -c /)
})

it('expands includes once', async () => {
  const script = await loadScript('remote/lock')
  expect(script).not.toMatch(/^# include/m)
  expect(script.match(/^set -u$/gm)).toHaveLength(1)
  expect(script).toContain('lease_run()')
})
