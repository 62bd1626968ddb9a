import { describe, expect, it } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import { hasNoShell, isRefusedExec } from '../../../src/remote/probe-sftp.ts'

const answer = (status: number, stdout: string, stderr = '') => ({ status, stdout, stderr })

describe('an answer to a command', () => {
  it.each([
    answer(1, 'This service allows sftp connections only.\n'),
    answer(1, 'This account is currently not available.\n'),
    answer(1, '', 'This account is restricted by rssh.\nAllowed commands: sftp\n'),
    answer(0, ''),
  ])('of a server without a shell: $stdout$stderr', (said) => {
    expect(hasNoShell(said)).toBe(true)
  })

  it.each([
    answer(1, ''),
    answer(127, '', 'sh: not found'),
    answer(255, '', 'fork: Resource temporarily unavailable'),
    answer(0, `Welcome. ${'News of our sftp service. '.repeat(30)}`),
  ])('of a shell with a trouble of its own: $stderr', (said) => {
    expect(hasNoShell(said)).toBe(false)
  })

  it('that is a refusal to run it, not one to open a session', () => {
    const refused = (message: string) =>
      new RemoteError('session-refused', message, { cause: new Error(message) })
    expect(isRefusedExec(refused('Unable to exec'))).toBe(true)
    expect(isRefusedExec(refused('(SSH) Channel open failure: open failed'))).toBe(false)
    expect(isRefusedExec(new Error('Unable to exec'))).toBe(false)
  })
})
