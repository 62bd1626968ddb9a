import { appendFile, chmod, chown, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packTar } from '../../src/archive/pack-tar.ts'
import { ConnectionError } from '../../src/errors.ts'
import type { RemoteHost } from '../../src/remote/contract.ts'
import { probeHost } from '../../src/remote/probe.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import type { CaptureArchive } from '../../src/sources/contract.ts'
import { captureFilesOverSftp } from '../../src/sources/files/capture.ts'
import { createUser, startSshd } from '../lab/sshd.ts'
import type { Sshd } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'
import type { TempDir } from '../lab/temp.ts'
import { type Drained, drainCapture, filesConfig, unpack } from '../unit/sources/files/drain.ts'

/** More than is read ahead: the file is in the middle of being read when its first bytes have come. */
const BIG = 24 * 1024 * 1024

const signal = AbortSignal.timeout(600_000)
const resolveSecret = () => Promise.reject(new Error('no secrets here'))
const connect = (sshd: Sshd, user?: string) =>
  connectSsh({ name: 'lab', ssh: sshd.sshConfig(user) }, { resolveSecret, signal })
const probe = (host: RemoteHost, deployment: string, names: readonly string[] = []) =>
  probeHost(host, { deployment, names, sudo: false }, signal)

let sshd: Sshd
let temp: TempDir
beforeAll(async () => {
  sshd = await startSshd({ forceCommand: 'internal-sftp' })
  temp = await tempDir('relay-sftp-')
  await chmod(temp.path, 0o755)
})
afterAll(async () => {
  await temp[Symbol.asyncDispose]()
  await sshd[Symbol.asyncDispose]()
})

let deployments = 0
async function makeDeployment(): Promise<string> {
  deployments += 1
  const deployment = join(temp.path, `app-${deployments}`)
  await mkdir(join(deployment, 'logs'), { recursive: true })
  return deployment
}

async function capture(
  host: RemoteHost,
  deployment: string,
  options: {
    readonly paths?: readonly string[]
    readonly exclude?: readonly string[]
    readonly held?: (archive: CaptureArchive) => Promise<void>
    readonly signal?: AbortSignal
  } = {},
): Promise<Drained & { readonly tree: string }> {
  const folder = `${deployment}-${Math.random()}`
  const tree = join(folder, 'tree')
  await mkdir(tree, { recursive: true })
  const drained = await drainCapture(
    (context) =>
      captureFilesOverSftp(
        { ...context, packTar },
        filesConfig(options.paths ?? ['logs'], options.exclude ?? []),
      ),
    { host, probe: await probe(host, deployment), signal: options.signal ?? signal },
    folder,
    options.held,
  )
  await unpack(drained, tree)
  return { ...drained, tree }
}

/** Runs `change` when files are being read: the stream is full, and nobody reads on before it is done. */
function during(part: string, change: () => Promise<unknown>) {
  return async (archive: CaptureArchive): Promise<void> => {
    if (archive.part !== part) return
    const { stream } = archive.input
    stream.once('readable', () => {})
    while (stream.readableLength < 512 * 1024 && !stream.errored) await sleep(5)
    await change()
  }
}

describe('what is a server without a shell', () => {
  it('is one whose ForceCommand is internal-sftp', async () => {
    await using host = await connect(sshd)
    const deployment = await makeDeployment()
    expect(await probe(host, deployment, ['logs', 'nothing'])).toMatchObject({
      access: 'sftp',
      deployment,
      home: '/root',
      existing: new Set(['logs']),
    })
    expect((await probe(host, '/not/there')).deployment).toBeUndefined()
  })

  it('is one where every command is an sftp-server of its own', async () => {
    await using server = await startSshd({ forceCommand: '/usr/lib/openssh/sftp-server' })
    await using host = await connect(server)
    expect((await probe(host, '/')).access).toBe('sftp')
  })

  it('is a user whose shell is nologin, where the SFTP is within sshd', async () => {
    await using server = await startSshd()
    await using user = await createUser({ shell: '/usr/sbin/nologin' })
    await using host = await connect(server, user.name)
    expect(await probe(host, '~')).toMatchObject({ access: 'sftp', deployment: user.home })
  })

  it('is a user in a chroot, whose deployment is found under its new root', async () => {
    await using user = await createUser()
    await chown(user.home, 0, 0)
    await chmod(user.home, 0o755)
    await mkdir(join(user.home, 'app', 'logs'), { recursive: true })
    await writeFile(join(user.home, 'app', 'logs', 'a.log'), 'chrooted')
    await using server = await startSshd({
      forceCommand: 'internal-sftp',
      config: [`ChrootDirectory ${user.home}`],
    })
    await using host = await connect(server, user.name)
    expect(await probe(host, '~/app')).toMatchObject({ access: 'sftp', home: '/', deployment: '/app' })
    const captured = await drainCapture(
      (context) => captureFilesOverSftp({ ...context, packTar }, filesConfig(['logs'])),
      { host, probe: await probe(host, '/app') },
      temp.path,
    )
    expect(captured.members).toEqual([['logs', 'logs/a.log']])
  })

  it('is not one with neither: the answer to the command is the error', async () => {
    await using user = await createUser({ shell: '/usr/sbin/nologin' })
    await using server = await startSshd({ withoutSftp: true })
    await using host = await connect(server, user.name)
    await expect(probe(host, '~')).rejects.toMatchObject({ code: 'probe-failed' })
  })

  it('is not one whose command says something else, although it has SFTP', async () => {
    await using server = await startSshd({ forceCommand: '/bin/echo out of memory' })
    await using host = await connect(server)
    await expect(probe(host, '/')).rejects.toMatchObject({ code: 'probe-failed' })
  })
})

describe('files that change while they are read over SFTP', () => {
  async function withBig(): Promise<{ deployment: string; big: string }> {
    const deployment = await makeDeployment()
    const big = join(deployment, 'logs/big')
    await writeFile(big, Buffer.alloc(BIG, 'a'))
    return { deployment, big }
  }

  it('are read again when they shrank', async () => {
    await using host = await connect(sshd)
    const { deployment, big } = await withBig()
    const drained = await capture(host, deployment, { held: during('', () => truncate(big, 1000)) })
    expect(drained.parts).toEqual(['', 'reread'])
    expect(drained.members[1]).toEqual(['logs/big'])
    expect(drained.outcome.amendments.get('\0logs/big')).toEqual({ replacedBy: 'reread' })
    expect(drained.outcome.warnings).toContainEqual({ code: 'file-changed', count: 1 })
    expect((await readFile(join(drained.tree, 'logs/big'))).equals(Buffer.alloc(1000, 'a'))).toBe(true)
    expect(drained.outcome.facts).toMatchObject({ files: 1, bytes: 1000, directories: 1 })
  })

  it('are read again when they grew, and flagged as torn when they do so again', async () => {
    await using host = await connect(sshd)
    const { deployment, big } = await withBig()
    const grow = () => appendFile(big, 'tail')
    const first = await capture(host, deployment, { held: during('', grow) })
    expect((await readFile(join(first.tree, 'logs/big'))).length).toBe(BIG + 4)
    const twice = await capture(host, deployment, {
      held: async (archive) => {
        await during('', grow)(archive)
        await during('reread', grow)(archive)
      },
    })
    expect(twice.outcome.amendments.get('reread\0logs/big')).toEqual({ flags: ['torn'] })
    expect(twice.outcome.warnings).toContainEqual({ code: 'file-torn', count: 1 })
  })

  it('are warned of when they vanished, and the source fails when it is gone whole', async () => {
    await using host = await connect(sshd)
    const { deployment } = await withBig()
    // Far more than is prepared ahead, in a directory that is entered later.
    const later = join(deployment, 'logs/later')
    await mkdir(later)
    await writeFile(join(later, 'gone'), 'x')
    const held = (archive: CaptureArchive): Promise<void> =>
      during('', () => rm(later, { recursive: true }))(archive)
    const some = Array.from({ length: 300 }, (_, at) => join(deployment, `logs/a${at}`))
    await Promise.all(some.map((name) => writeFile(name, Buffer.alloc(32 * 1024))))
    const drained = await capture(host, deployment, { held })
    expect(drained.outcome.warnings.map(({ code }) => code)).toContain('file-vanished')

    const away = capture(host, deployment, {
      held: during('', () => rm(join(deployment, 'logs'), { recursive: true })),
    })
    await expect(away).rejects.toMatchObject({ code: 'source-vanished' })
  })
})

describe('a capture over SFTP', () => {
  it('follows a source path that is a symlink once, and leaves out what is excluded', async () => {
    await using host = await connect(sshd)
    const deployment = await makeDeployment()
    await mkdir(join(deployment, 'elsewhere', 'tmp'), { recursive: true })
    await writeFile(join(deployment, 'elsewhere', 'kept'), 'x')
    await writeFile(join(deployment, 'elsewhere', 'tmp', 'out'), 'x')
    await writeFile(join(deployment, 'elsewhere', 'out.tmp'), 'x')
    await symlink('elsewhere', join(deployment, 'link'))
    const drained = await capture(host, deployment, { paths: ['link'], exclude: ['*.tmp', 'link/tmp'] })
    expect(drained.members).toEqual([['link', 'link/kept']])
    expect(drained.outcome.roots).toEqual([{ path: Buffer.from('link'), link: Buffer.from('elsewhere') }])
  })

  it('goes on without what the user may not read, and names it', async () => {
    await using user = await createUser()
    await using host = await connect(sshd, user.name)
    const deployment = await makeDeployment()
    await writeFile(join(deployment, 'logs/secret'), 'x', { mode: 0o600 })
    await mkdir(join(deployment, 'logs/shut'))
    await writeFile(join(deployment, 'logs/shut/deep'), 'x')
    await chmod(join(deployment, 'logs/shut'), 0o700)
    const drained = await capture(host, deployment)
    expect(drained.members.flat()).not.toContain('logs/secret')
    expect(drained.members.flat()).not.toContain('logs/shut/deep')
    expect(drained.outcome.warnings).toContainEqual({ code: 'file-unreadable', count: 2 })
    const [told] = drained.notices.filter(({ code }) => code === 'file-unreadable')
    expect(told?.message).toContain('logs/secret (uid 0, 0600)')
  })

  it('refuses a symlink whose target SFTP can not say', async () => {
    await using host = await connect(sshd)
    const deployment = await makeDeployment()
    await symlink(Buffer.from('\xff', 'latin1'), join(deployment, 'logs/to-bytes'))
    await expect(capture(host, deployment)).rejects.toMatchObject({ code: 'unrepresentable-name' })
  })

  it('ends at once, as lost, when the connection is cut', async () => {
    await using server = await startSshd({ forceCommand: 'internal-sftp' })
    await using host = await connect(server)
    const deployment = await makeDeployment()
    await writeFile(join(deployment, 'logs/big'), Buffer.alloc(BIG))
    const cut = capture(host, deployment, { held: during('', () => server.killSessions()) })
    await expect(cut).rejects.toBeInstanceOf(ConnectionError)
  })

  it('ends at once when it is interrupted, and leaves the connection usable', async () => {
    await using host = await connect(sshd)
    const deployment = await makeDeployment()
    await writeFile(join(deployment, 'logs/big'), Buffer.alloc(BIG))
    const stop = new AbortController()
    const stopped = capture(host, deployment, {
      signal: stop.signal,
      held: during('', async () => {
        stop.abort(new Error('enough'))
        await Promise.resolve()
      }),
    })
    await expect(stopped).rejects.toThrow('enough')
    expect((await capture(host, deployment)).members).toEqual([['logs', 'logs/big']])
  })
})
