import type { ServerChannel, Session } from 'ssh2'
import { describe, expect, it } from 'vitest'
import type { RemoteHost } from '../../src/remote/contract.ts'
import { lockDeployment } from '../../src/remote/deployment-lock.ts'
import { LIMITS } from '../../src/remote/limits.ts'
import type { Limits } from '../../src/remote/limits.ts'
import { probeHost } from '../../src/remote/probe.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { SCRIPT_BEGINS } from '../../src/remote/scripts.ts'
import { startOddServer } from '../lab/odd-server.ts'
import type { OnExec } from '../lab/odd-server.ts'

const signal = new AbortController().signal
const SHORT = 150
const SOON: Limits = {
  accept: SHORT,
  silence: { ask: SHORT, list: SHORT, stream: SHORT, work: SHORT, services: SHORT },
  end: SHORT,
  close: SHORT,
  release: { quick: SHORT, services: SHORT },
  releaseAfterAbort: { quick: SHORT, services: SHORT },
  turn: SHORT,
}
/** The command itself is taken; on a loaded machine that needs its time. */
const TAKEN: Limits = { ...SOON, accept: LIMITS.accept }
const ECHO = { script: '../test/lab/echo' }

async function open(
  onExec: OnExec,
  limits: Limits = SOON,
): Promise<{ readonly host: RemoteHost } & AsyncDisposable> {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startOddServer(onExec))
  const resolveSecret = () => Promise.reject(new Error('no secret is needed'))
  const host = stack.use(
    await connectSsh({ name: 'odd', ssh: server.ssh }, { resolveSecret, signal, limits }),
  )
  return { host, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const silent: OnExec = (accept) => void accept()
const begin = (channel: ServerChannel) => channel.write(SCRIPT_BEGINS)

/** Writes for as long as the client takes it, or `pieces` times. */
function pour(channel: ServerChannel, piece: string, pieces = Infinity): void {
  let left = pieces
  const more = () => {
    while (left > 0 && !channel.destroyed && channel.writable) {
      left -= 1
      if (!channel.write(piece)) {
        channel.once('drain', more)
        return
      }
    }
  }
  more()
}

describe('a server that lives and is stuck', () => {
  it('takes no command: it was waited for without a bound', async () => {
    await using opened = await open(() => {})
    await expect(opened.host.run(ECHO, { signal })).rejects.toMatchObject({ code: 'silent' })
  })

  it('says nothing to a probe', async () => {
    await using opened = await open(silent)
    const question = { deployment: '/srv', names: [], sudo: false }
    await expect(probeHost(opened.host, question, signal)).rejects.toMatchObject({
      code: 'silent',
      message: expect.stringMatching(/looking at the server/) as unknown,
      details: { host: 'odd', next: expect.stringMatching(/dmesg/) as unknown },
    })
  })

  it('stops in the middle of a stream, whose reader learns why', async () => {
    await using opened = await open((accept) => {
      const channel = accept()
      begin(channel)
      channel.write('half of a list')
    }, TAKEN)
    const process = await opened.host.spawn({ ...ECHO, patience: 'list' }, { signal })
    process.stdin.end()
    const read = async () => {
      for await (const _chunk of process.stdout);
    }
    await expect(read()).rejects.toMatchObject({ code: 'silent' })
    await expect(process.exit).rejects.toMatchObject({ code: 'silent' })
  })

  it('reads nothing of what is sent to it', async () => {
    await using opened = await open((accept) => void accept().pause(), TAKEN)
    const process = await opened.host.spawn({ ...ECHO, patience: 'work' }, { signal })
    process.stdout.resume()
    process.stdin.on('error', () => {})
    process.stdin.write(Buffer.alloc(8 * 1024 * 1024))
    await expect(process.exit).rejects.toMatchObject({ code: 'silent' })
  })

  it('ends its output and never says how it ended', async () => {
    await using opened = await open(
      (accept) => {
        const channel = accept()
        begin(channel)
        ;(channel as unknown as { eof(): void }).eof()
      },
      { ...TAKEN, silence: LIMITS.silence },
    )
    const process = await opened.host.spawn(ECHO, { signal })
    process.stdout.resume()
    await expect(process.exit).rejects.toMatchObject({ code: 'silent' })
  })

  it('is not one whose output we are slow to read', async () => {
    // Long enough for a loaded machine to get the first bytes across.
    const silence = 1000
    await using opened = await open(
      (accept) => {
        const channel = accept()
        begin(channel)
        channel.write(Buffer.alloc(1024 * 1024), () => {
          channel.exit(0)
          channel.end()
        })
      },
      { ...TAKEN, silence: { ...SOON.silence, work: silence, ask: silence } },
    )
    const process = await opened.host.spawn(ECHO, { signal })
    process.stdin.end()
    await new Promise((resolve) => setTimeout(resolve, 1.5 * silence))
    let bytes = 0
    for await (const chunk of process.stdout) bytes += (chunk as Buffer).length
    expect(bytes).toBe(1024 * 1024)
    expect((await process.exit).status).toBe(0)
  })

  it('does not follow an abort: what waits for it ends all the same', async () => {
    await using opened = await open(
      (accept) => {
        const channel = accept()
        // ssh2 answers a close with its own end.
        Object.assign(channel, { eof: () => {}, close: () => {} })
      },
      { ...LIMITS, close: SHORT },
    )
    const controller = new AbortController()
    const process = await opened.host.spawn(ECHO, { signal: controller.signal })
    const read = (async () => {
      for await (const _chunk of process.stdout);
    })()
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(process.exit).rejects.toBe(reason)
    await expect(read).rejects.toMatchObject({ code: 'silent' })
  })

  it('opens no TCP connection and says nothing about it', async () => {
    await using opened = await open(silent)
    await expect(opened.host.connectTcp('127.0.0.1', 1, signal)).rejects.toMatchObject({ code: 'silent' })
  })
})

describe('an SFTP server that falls silent', () => {
  it.each(['realpath', 'lstat', 'open', 'readdir', 'read'] as const)('at %s', async (request) => {
    await using server = await startOddServer(silent, {
      onSession: (session) => serveSftpUntil(session, request),
    })
    await using host = await connectSsh(
      { name: 'odd', ssh: server.ssh },
      {
        resolveSecret: () => Promise.reject(new Error('no secret is needed')),
        signal,
        limits: TAKEN,
      },
    )
    await using files = await host.openFiles(signal)
    const work = async () => {
      await files.realpath('.')
      await files.lstat('/a')
      const file = await files.open('/a')
      for await (const _ of files.list('/')) continue
      await file.read(0, 10)
    }
    await expect(work()).rejects.toMatchObject({
      code: 'silent',
      message: expect.stringContaining('a request over SFTP') as unknown,
    })
    // What is asked after that fails at once, and for the same reason.
    await expect(files.lstat('/b')).rejects.toMatchObject({ code: 'silent' })
  })
})

/** Answers each request over SFTP but one kind, which gets no answer. */
function serveSftpUntil(session: Session, silentAt: string): void {
  session.on('sftp', (accept) => {
    const sftp = accept()
    const handle = Buffer.from('h')
    const on = (name: string, answer: (id: number) => void) =>
      sftp.on(name.toUpperCase() as 'LSTAT', (id: number) => {
        if (name !== silentAt) answer(id)
      })
    const file = { mode: 0o100644, uid: 0, gid: 0, size: 10, atime: 0, mtime: 0 }
    on('realpath', (id) => sftp.name(id, [{ filename: '/', longname: '/', attrs: file }]))
    on('lstat', (id) => sftp.attrs(id, file))
    on('open', (id) => sftp.handle(id, handle))
    on('opendir', (id) => sftp.handle(id, handle))
    on('readdir', (id) => sftp.status(id, 1))
    on('close', (id) => sftp.status(id, 0))
    on('read', (id) => sftp.data(id, Buffer.alloc(10)))
  })
}

describe('the lock on a stuck server', () => {
  it('is not waited for without a bound', async () => {
    await using opened = await open(silent)
    await expect(lockDeployment(opened.host, '/srv', { sudo: false, signal })).rejects.toMatchObject({
      code: 'silent',
    })
  })

  it('is left at the first abort, also before the server has taken the command', async () => {
    await using opened = await open(() => {}, LIMITS)
    const controller = new AbortController()
    const locking = lockDeployment(opened.host, '/srv', { sudo: false, signal: controller.signal })
    const reason = new Error('enough')
    setImmediate(() => controller.abort(reason))
    await expect(locking).rejects.toBe(reason)
  })

  it('is given back within seconds after an abort, when the server does not answer', async () => {
    await using opened = await open(
      (accept) => {
        const channel = accept()
        begin(channel)
        channel.write('locked\t/srv/.relay-backup/lock\n')
      },
      { ...LIMITS, releaseAfterAbort: SOON.releaseAfterAbort },
    )
    const controller = new AbortController()
    const lock = await lockDeployment(opened.host, '/srv', { sudo: false, signal: controller.signal })
    controller.abort(new Error('enough'))
    await lock[Symbol.asyncDispose]()
  })

  it.each(['locked x\n', 'note\tnothing\n'])('does not keep endless lines in memory: %j', async (line) => {
    await using opened = await open((accept) => {
      const channel = accept()
      begin(channel)
      pour(channel, line.repeat(2000))
    }, LIMITS)
    const lease = await opened.host.lease(
      { script: 'remote/lock', args: ['/srv'], title: 'locking' },
      { signal },
    )
    await expect(lease.release()).rejects.toMatchObject({ code: 'output-too-long' })
    await expect(lease.nextLine(signal)).rejects.toMatchObject({ code: 'output-too-long' })
  })

  it('does not keep a line without an end in memory', async () => {
    await using opened = await open((accept) => {
      const channel = accept()
      begin(channel)
      pour(channel, 'x'.repeat(32_000))
    }, LIMITS)
    await expect(lockDeployment(opened.host, '/srv', { sudo: false, signal })).rejects.toMatchObject({
      code: 'output-too-long',
    })
  })
})

it('an answer without an end is cut off, on either stream', async () => {
  await using opened = await open((accept, _reject, command) => {
    const channel = accept()
    if (command.includes('on-stderr')) {
      let left = 2000
      const more = (): void => {
        left -= 1
        // Not in the same turn: the client has to be heard in between.
        if (left > 0) setImmediate(() => channel.stderr.write('x'.repeat(64_000), more))
      }
      more()
    } else {
      begin(channel)
      pour(channel, 'x'.repeat(64_000))
    }
  }, LIMITS)
  await expect(opened.host.run(ECHO, { signal })).rejects.toMatchObject({ code: 'output-too-long' })
  await expect(opened.host.run({ ...ECHO, args: ['on-stderr'] }, { signal })).rejects.toMatchObject({
    code: 'output-too-long',
  })
})
