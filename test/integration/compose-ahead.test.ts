import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeText, fieldLines } from '../../src/model/talk.ts'
import { lockDeployment } from '../../src/remote/deployment-lock.ts'
import { judgeCompose, SENT } from '../../src/restore/compose-check.ts'
import { sweepStaging } from '../../src/restore/server/journals.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir } from '../lab/temp.ts'
import { makeFiles, RestoreHostsLab, type Files } from './restore-hosts-lab.ts'

const { signal } = new AbortController()

/** Copies each file that it is led to and says that it is wrong. Waits for ever where `hang` is there. */
const COMPOSE = `#!/bin/sh
case " $* " in *' version '*) echo 1.29.2; exit ;; esac
for one; do
  case $flag in
    --file | --env-file)
      cat -- "$one" >"HERE/read-\${one##*/}"
      stat -c %a -- "\${one%/*}" >HERE/mode
      echo "$one is wrong" >&2
      ;;
  esac
  flag=$one
done
if [ -e HERE/hang ]; then
  exec 9>HERE/began
  echo $$ >&9
  exec sleep 86400
fi
exit 1
`

async function place(shell: string) {
  const temp = await tempDir('relay-ahead-')
  const deployment = join(temp.path, "d'e p")
  await mkdir(deployment)
  const tools = join(temp.path, 'tools')
  if (shell === 'busybox') await busyboxTools(tools)
  else await mkdir(tools)
  await writeFile(join(tools, 'docker-compose'), COMPOSE.replaceAll('HERE', temp.path))
  await chmod(join(tools, 'docker-compose'), 0o755)
  execFileSync('mkfifo', [join(temp.path, 'began')])
  const host = new LocalHost(
    shell === 'busybox'
      ? { shell: ['busybox', 'sh'], path: tools }
      : { path: `${tools}:${process.env['PATH']}` },
  )
  const args = ['--project-directory', deployment, '--file', join(deployment, 'docker-compose.yml')]
  const judge = (contents: readonly Buffer[]) =>
    judgeCompose(
      host,
      { manager: 'compose', project: 'app', args, renew: true, data: [], rest: [] },
      ['docker-compose.yml', '.env'].map((name, at) => ({
        target: join(deployment, name),
        staged: `${SENT}/${at}`,
      })),
      {
        made: undefined,
        changed: [],
        acceptChanges: false,
        recorded: undefined,
        privilege: undefined,
        signal,
        sent: { deployment, contents: new Map(contents.map((content, at) => [String(at), content])) },
      },
    )
  const hang = async () => {
    await writeFile(join(temp.path, 'hang'), '')
    const asked = judge([Buffer.from('a'), Buffer.from('SECRET=1')])
    asked.catch(() => {})
    // Compose says its pid, and closes this when it ends.
    const said = createReadStream(join(temp.path, 'began'), 'utf8')
    const ended = once(said, 'close')
    const [pid] = (await once(said, 'data')) as [string]
    await rm(join(temp.path, 'hang'))
    return { asked, pid: Number(pid), ended }
  }
  const left = () => readdir(join(deployment, '.relay-backup')).catch(() => [])
  return {
    deployment,
    host,
    judge,
    hang,
    left,
    read: (name: string) => readFile(join(temp.path, name)),
    [Symbol.asyncDispose]: async () => {
      await host[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

describe.each(['dash', 'busybox'])('files for a question to Compose, under %s', (shell) => {
  test('arrive byte for byte in a private directory, and are gone with the answer', async () => {
    await using there = await place(shell)
    const bytes = Buffer.from([...Array.from({ length: 2000 }, (_, at) => at % 256), 10, 10])
    const [finding] = await there.judge([bytes, Buffer.alloc(0)])
    expect(finding).toMatchObject({
      check: 'compose-refused',
      message: expect.stringContaining(`${join(there.deployment, 'docker-compose.yml')} is wrong`) as string,
    })
    expect(await there.read('read-0')).toEqual(bytes)
    expect(await there.read('read-1')).toEqual(Buffer.alloc(0))
    expect(String(await there.read('mode'))).toBe('700\n')
    expect(await readdir(there.deployment)).toEqual([])
  })

  test('are gone when the connection is cut while Compose hangs, and so is Compose', async () => {
    await using there = await place(shell)
    const { asked, ended } = await there.hang()
    expect(await there.left()).toEqual([expect.stringMatching(/^compose-/)])
    await there.host[Symbol.asyncDispose]()
    await expect(asked).rejects.toMatchObject({ code: 'compose-unknown' })
    expect(await readdir(there.deployment)).toEqual([])
    await ended
  })

  test('that a killed shell or a reboot has left are told, and go with the next lock, restore or question', async () => {
    await using there = await place(shell)
    const { deployment, host } = there
    const { asked, pid } = await there.hang()
    const [name = ''] = await there.left()
    const sweeps = [
      async () => {
        const lock = await lockDeployment(host, deployment, { sudo: false, signal })
        await lock[Symbol.asyncDispose]()
      },
      () => sweepStaging(host, { deployment, privilege: undefined, signal }),
      () => there.judge([Buffer.from('b'), Buffer.alloc(0)]),
    ]
    // Nothing takes it away from a process that lives.
    expect(await tellLeft(host, deployment)).toEqual([])
    await sweeps[0]?.()
    await sweeps[1]?.()
    expect(await there.left()).toEqual([name])
    const [, worker = ''] = /^compose-[0-9a-f]+-(\d+)\./.exec(name) ?? []
    process.kill(Number(worker), 'SIGKILL')
    process.kill(pid, 'SIGKILL')
    host.cut()
    await expect(asked).rejects.toMatchObject({ code: 'compose-unknown' })
    expect(await there.left()).toEqual([name])
    expect(await tellLeft(host, deployment)).toEqual([join(deployment, '.relay-backup', name)])
    for (const sweep of sweeps) {
      // Of before a reboot: the process may be there again, and is another one.
      await mkdir(join(deployment, '.relay-backup', `compose-0a-${process.pid}.1.another-boot`), {
        recursive: true,
      })
      await sweep()
      expect(await readdir(deployment)).toEqual([])
    }
  })

  test('lie in the home where there is no deployment yet', async () => {
    await using there = await place(shell)
    const home = process.env['HOME']
    await using other = await tempDir('relay-ahead-home-')
    process.env['HOME'] = other.path
    try {
      await mkdir(join(other.path, '.relay-backup', 'copies-0a-1.1.another-boot'), { recursive: true })
      expect(await tellLeft(there.host, there.deployment)).toEqual([
        join(other.path, '.relay-backup/copies-0a-1.1.another-boot'),
      ])
      execFileSync('rmdir', [there.deployment])
      expect(await there.judge([Buffer.from('b'), Buffer.alloc(0)])).toMatchObject([{ outcome: 'failed' }])
      expect(await readdir(other.path)).toEqual([])
    } finally {
      process.env['HOME'] = home
    }
  })
})

/** What `check` is told. */
async function tellLeft(host: LocalHost, deployment: string): Promise<readonly string[]> {
  const { stdout } = await host.run({ script: 'check/look', args: [deployment] }, { signal })
  return fieldLines(stdout).flatMap(([word, path]) => (word === 'left' ? [decodeText(path)] : []))
}

describe('a Compose file of the snapshot that Compose can not read is refused before anything is made on the target', () => {
  /** An engine that has no container. */
  const DOCKER = `#!/bin/sh
case $1 in
  version) echo '24.0.7|1.43|linux|amd64' ;;
  info) echo '/var/lib/docker|[]' ;;
  compose) exit 1 ;;
esac
`
  const config = (...paths: string[]) => ({ kind: 'files' as const, name: 'config', paths, exclude: [] })
  const GOOD = 'services:\n  app:\n    image: x\n'
  const BAD = 'services:\n  app:\n    imagee: x\n'

  interface Case {
    readonly name: string
    readonly captured: Files
    /** What is on the target; undefined: not even the directory. */
    readonly there?: Files
    readonly file?: string
    readonly dryRun?: boolean
    /** What is wrong; undefined: nothing is. */
    readonly says?: RegExp
  }

  const OPEN = 'services:\n  app:\n    image: ${TAG:?unset}\n    env_file: [data/app.env]\n    build: ./app\n'

  test.each<Case>([
    { name: 'on a bare target', captured: { 'docker-compose.yml': BAD }, says: /imagee/ },
    {
      name: 'by its configured name, in a dry run',
      captured: { 'up.yml': BAD },
      there: { 'up.yml': GOOD },
      file: 'up.yml',
      dryRun: true,
      says: /imagee/,
    },
    {
      name: 'by an override, of a deployment that is down',
      captured: { 'docker-compose.yml': OPEN, 'docker-compose.override.yml': BAD },
      there: { 'docker-compose.yml': GOOD, '.env': 'TAG=x\n' },
      says: /imagee/,
    },
    {
      name: 'but not when only what the server has, or what comes later, makes it whole',
      captured: { 'docker-compose.yml': OPEN },
      there: { '.env': 'TAG=x\n' },
    },
  ])('$name', async ({ captured, there, file, says, dryRun = false }) => {
    const names = Object.keys(captured)
    lab.lab.sources = [config(...names)]
    await makeFiles(lab.lab.app, captured)
    const snapshot = await lab.lab.pulled({ full: true })
    number += 1
    const services = {
      manager: 'compose' as const,
      data: [],
      stop: undefined,
      file,
      project: undefined,
      health: undefined,
    }
    const host = lab.host(`target${number}`, { services, deployment: join(lab.lab.path, `target${number}`) })
    if (there !== undefined) await makeFiles(host.deployment, { own: '', ...there })
    const before = there === undefined ? undefined : await readdir(host.deployment)
    const restoring = lab.restore(snapshot, host, { dryRun })
    if (says === undefined) {
      expect(await restoring).toMatchObject({ outcome: 'done' })
      return
    }
    const error = dryRun ? (await restoring).error : await restoring.catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'preflight-compose-refused',
      message: expect.stringMatching(says) as string,
    })
    if (before === undefined) await expect(readdir(host.deployment)).rejects.toThrow('ENOENT')
    else expect(await readdir(host.deployment)).toEqual(before)
  })

  let lab: RestoreHostsLab
  let number = 0
  beforeAll(async () => {
    lab = await RestoreHostsLab.start()
    const tools = join(lab.lab.path, 'tools')
    await mkdir(tools)
    const compose = execFileSync('sh', ['-c', 'command -v docker-compose'], { encoding: 'utf8' }).trim()
    // Each start of the real one takes half a second.
    const quick = `#!/bin/sh\ncase "$*" in version*) echo 1.29.2 ;; *) exec ${compose} "$@" ;; esac\n`
    for (const [name, text] of [
      ['docker', DOCKER],
      ['docker-compose', quick],
    ] as const) {
      await writeFile(join(tools, name), text)
      await chmod(join(tools, name), 0o755)
    }
    lab.server = { path: `${tools}:${process.env['PATH']}` }
  })
  afterAll(() => lab[Symbol.asyncDispose]())
})
