import { expect, it } from 'vitest'
import type { RemoteHost } from '../../../src/remote/contract.ts'
import { probeHost } from '../../../src/remote/probe.ts'

const PROBE = 'os\tDebian\nuid\t1000\nuser\tme\nhome\t/home/me\nend\tyes\n'

/** A server whose sudo says this. */
const host = (stderr: string) =>
  ({
    name: 'prod',
    run: ({ privilege }: { privilege?: string }) =>
      Promise.resolve(
        privilege === undefined
          ? { status: 0, stdout: Buffer.from(PROBE), stderr: '' }
          : { status: 1, stdout: Buffer.alloc(0), stderr },
      ),
  }) as never as RemoteHost

it.each([
  ['sudo: a password is required\n', 'without a password', 'passwordless'],
  [
    'sudo: sorry, you must have a tty to run sudo\n',
    'refused: sudo: sorry, you must have a tty to run sudo',
    '!requiretty',
  ],
  [
    'Sorry, user me is not allowed to execute sh as root on prod.\n',
    'refused: Sorry, user me is not allowed to execute sh as root on prod.',
    'sudo -l',
  ],
  ['sh: 1: exec: sudo: not found\n', 'refused: sh: 1: exec: sudo: not found', 'sudo: false'],
])('requiretty and the like were shown as a missing password: %j', async (said, message, next) => {
  const question = { deployment: '/srv', names: [], sudo: true }
  const probing = probeHost(host(said), question, new AbortController().signal)
  await expect(probing).rejects.toMatchObject({
    code: 'sudo',
    message: expect.stringContaining(message) as unknown,
    details: { next: expect.stringContaining(next) as unknown, stderr: said },
  })
})
