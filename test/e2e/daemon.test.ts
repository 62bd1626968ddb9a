import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'

const PROGRAM = join(import.meta.dirname, '../../bin/relay-backup.js')

test('the daemon reads its config anew at SIGHUP, keeps the old one when that is bad, and ends with 0 at SIGTERM', async () => {
  const home = await mkdtemp(join(tmpdir(), 'daemon-'))
  const config = join(home, 'hosts.yaml')
  const write = (schedules: string) =>
    writeFile(
      config,
      `version: 1\nvault: ./vault\nencryption: { recipients: [k.asc] }\nschedules: ${schedules}\nhosts: { prod: { ssh: root@a } }\n`,
    )
  await write('{ nightly: { at: "02:00", run: pull --all } }')
  const child = spawn(process.execPath, [PROGRAM, '--config', config, 'daemon'], {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: home },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]()
    const until = async (words: RegExp) => {
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) throw new Error(`the daemon ended before it said ${words}`)
        if (words.test(value)) return
      }
    }
    await until(/^nightly: every day at 02:00: pull --all$/)
    await write('{ often: { every: 6h, run: pull prod } }')
    child.kill('SIGHUP')
    await until(/^often: every 6h: pull prod$/)
    await write('{ wrong: { every: 7h, run: pull prod } }')
    child.kill('SIGHUP')
    await until(/the old one stays in force/)
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
    await rm(home, { recursive: true, force: true })
  }
})
