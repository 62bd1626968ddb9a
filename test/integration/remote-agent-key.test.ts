import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { connectSsh } from '../../src/remote/ssh.ts'
import { generateSshKeyPair } from '../../src/remote/ssh-key-pair.ts'
import { startSecurityKeyAgent } from '../lab/security-key-agent.ts'
import { startSshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'

const signal = new AbortController().signal
const resolveSecret = () => Promise.reject(new Error('no secret is needed'))

it('identityFile: id.pub was refused, or the agent offered six wrong keys first', async () => {
  await using sshd = await startSshd()
  await using temp = await tempDir()
  const socket = join(temp.path, 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    await once(agent.stdout, 'data')
    const files: string[] = []
    // More than sshd lets anybody try.
    for (let index = 0; index < 8; index += 1) {
      const file = join(temp.path, `other${index}`)
      await writeFile(file, generateSshKeyPair().privateKey, { mode: 0o600 })
      files.push(file)
    }
    const env = { ...process.env, SSH_AUTH_SOCK: socket }
    await once(spawn('ssh-add', ['-q', ...files, sshd.identityFile], { env }), 'exit')
    const { identityFile: _key, agent: _agent, ...ssh } = sshd.sshConfig()
    const identityFile = join(temp.path, 'chosen.pub')
    await copyFile(`${sshd.identityFile}.pub`, identityFile)
    const options = { resolveSecret, signal, env }
    await expect(connectSsh({ name: 'lab', ssh }, options)).rejects.toMatchObject({ problem: 'auth' })
    await using _host = await connectSsh({ name: 'lab', ssh: { ...ssh, identityFile } }, options)

    const stranger = join(temp.path, 'stranger.pub')
    await writeFile(stranger, `${generateSshKeyPair().publicKey}\n`)
    await expect(
      connectSsh({ name: 'lab', ssh: { ...ssh, identityFile: stranger } }, options),
    ).rejects.toMatchObject({
      problem: 'auth',
      message: expect.stringMatching(/stranger\.pub \(SHA256:.*does not have its private half/) as unknown,
      details: { next: expect.stringContaining('ssh-add') as unknown },
    })
    await expect(
      connectSsh({ name: 'lab', ssh: { ...ssh, agent: false, identityFile } }, options),
    ).rejects.toMatchObject({ message: expect.stringContaining('there is no agent') as unknown })
  } finally {
    agent.kill()
    await once(agent, 'exit')
  }
})

it('a key of a security token lets in by the agent, as with ssh, and a refusal to sign is told', async () => {
  await using temp = await tempDir()
  await using agent = await startSecurityKeyAgent(join(temp.path, 'agent'))
  await using sshd = await startSshd({ authorizedKeys: [agent.publicKey] })
  const { identityFile: _key, agent: _agent, ...ssh } = sshd.sshConfig()
  const env = { ...process.env, SSH_AUTH_SOCK: agent.socket }
  const options = { resolveSecret, signal, env }
  await promisify(execFile)(
    'ssh',
    [
      ...['-F', 'none', '-p', String(sshd.port), '-o', `UserKnownHostsFile=${sshd.knownHosts}`],
      ...['-o', 'BatchMode=yes', 'root@127.0.0.1', 'true'],
    ],
    { env },
  )
  {
    await using _whole = await connectSsh({ name: 'lab', ssh }, options)
  }
  const identityFile = join(temp.path, 'token.pub')
  await writeFile(identityFile, `${agent.publicKey}\n`)
  {
    await using _named = await connectSsh({ name: 'lab', ssh: { ...ssh, identityFile } }, options)
  }
  agent.refuse()
  await expect(connectSsh({ name: 'lab', ssh }, options)).rejects.toMatchObject({
    problem: 'auth',
    message: expect.stringMatching(/does not sign with sk-ssh-ed25519@openssh\.com SHA256:/) as unknown,
  })
})
