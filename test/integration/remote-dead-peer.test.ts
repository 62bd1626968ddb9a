import { expect, test } from 'vitest'
import { connectSsh } from '../../src/remote/ssh.ts'
import { startSshd } from '../lab/sshd.ts'

test('a peer that stands still is noticed by the keep-alive, and is a lost connection', async () => {
  await using sshd = await startSshd()
  const signal = new AbortController().signal
  const ssh = { ...sshd.sshConfig(), keepAlive: 500 }
  const resolveSecret = () => Promise.reject(new Error('no secret is needed'))
  await using host = await connectSsh({ name: 'still', ssh }, { resolveSecret, signal })
  const process = await host.spawn({ script: '../test/lab/wait' }, { signal })
  process.stdout.resume()
  const sessions = await sshd.sessions()
  expect(sessions.length).toBeGreaterThan(0)
  // A stopped process answers nothing, as a server that lost its power or its network.
  for (const pid of sessions) globalThis.process.kill(pid, 'SIGSTOP')
  await expect(process.exit).rejects.toMatchObject({ problem: 'lost' })
})
