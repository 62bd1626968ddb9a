import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { commandLine, loadScript } from '../../src/remote/scripts.ts'

const LOGIN_SHELLS = ['dash', 'bash', 'busybox sh']
const SCRIPT = `# a comment with 'quotes' and "more"
cat <<'END'
$HOME \\n \\\\ 100% !
END
printf '%s|' "$0" "$#" "$@"
cat
exit 7
`

describe.each(LOGIN_SHELLS)('a script under the login shell %s', (shell) => {
  it('gets its text, its arguments and its stdin unchanged, and its exit status counts', () => {
    const [program = '', ...args] = shell.split(' ')
    let failure: { status?: number; stdout?: string } = {}
    try {
      execFileSync(program, [...args, '-c', commandLine(SCRIPT, ["a'b\n", '', '\\n!'])], {
        input: 'stdin\n',
        encoding: 'utf8',
      })
    } catch (error) {
      failure = error as typeof failure
    }
    expect(failure.stdout).toBe("$HOME \\n \\\\ 100% !\nrelay-backup|3|a'b\n||\\n!|stdin\n")
    expect(failure.status).toBe(7)
  })
})

it('is one line, for login shells that end a quote there', () => {
  expect(commandLine('a\nb\n', [])).not.toContain('\n')
})

it('asks sudo without a prompt', () => {
  expect(commandLine('id', [], { sudo: true })).toMatch(/^exec sudo -n -- sh -c /)
})

it('expands includes once', async () => {
  const script = await loadScript('lock')
  expect(script).not.toMatch(/^# include/m)
  expect(script.match(/^set -u$/gm)).toHaveLength(1)
  expect(script).toContain('lease_run()')
})
