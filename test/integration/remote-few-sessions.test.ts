import { describe, expect, it } from 'vitest'
import type { Lease, RemoteHost } from '../../src/remote/contract.ts'
import { LIMITS } from '../../src/remote/limits.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { startSshd } from '../lab/sshd.ts'
import type { Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'

const LAB = '../test/lab/'
const resolveSecret = () => Promise.reject(new Error('no secrets here'))
const signal = new AbortController().signal
const connect = (sshd: Sshd, turn = LIMITS.turn) =>
  connectSsh({ name: 'lab', ssh: sshd.sshConfig() }, { resolveSecret, signal, limits: { ...LIMITS, turn } })

/** A lock that is held: a session that ends only by its release. */
async function held(host: RemoteHost, path: string): Promise<Lease> {
  const lease = await host.lease({ script: 'remote/lock', args: [path] }, { firstLines: ['me'], signal })
  expect(await lease.nextLine(signal)).toMatch(/^locked\t/)
  return lease
}

describe.each([1, 2])('a server with MaxSessions %i', (maxSessions) => {
  it('hung a pull or a restore for ever: sessions waited for channels that only our own leases held', async () => {
    await using sshd = await startSshd({ maxSessions })
    await using host = await connect(sshd)
    await using one = await tempDir()
    await using two = await tempDir()
    await using _first = await held(host, one.path)
    await using _second = await held(host, two.path)
    const running = await host.spawn({ script: `${LAB}hold` }, { signal })
    running.stdout.resume()
    const { stdout } = await host.run({ script: `${LAB}echo`, args: ['0', 'x'] }, { signal })
    expect(stdout.toString()).toBe('<x>')
    running.kill()
  })
})

it('a server that lets in only one connection says what it lacks', async () => {
  await using sshd = await startSshd({ maxSessions: 1 })
  const ssh = sshd.sshConfig()
  await using host = await connectSsh({ name: 'lab', ssh }, { resolveSecret, signal })
  await using temp = await tempDir()
  await using _lock = await held(host, temp.path)
  // What is connected stays.
  await sshd.stopListening()
  await expect(host.run({ script: `${LAB}echo`, args: ['0'] }, { signal })).rejects.toMatchObject({
    code: 'too-few-sessions',
    details: { host: 'lab', next: expect.stringMatching(/MaxSessions/) as unknown },
  })
})
