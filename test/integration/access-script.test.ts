import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lookAtAccess } from '../../src/runs/privilege.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { LocalHost } from '../lab/local-host.ts'
import { tempDir, type TempDir } from '../lab/temp.ts'

const ME = 65_534
const signal = AbortSignal.timeout(60_000)
let temp: TempDir
let app: string
let tools: string

/** A file, with its directory, of this owner and mode. */
async function put(path: string, owner: number, mode: number): Promise<void> {
  const file = join(app, path)
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, 'x')
  await chown(file, owner, owner)
  await chmod(file, mode)
}

beforeAll(async () => {
  temp = await tempDir()
  await chmod(temp.path, 0o755)
  app = join(temp.path, 'app')
  tools = await busyboxTools(join(temp.path, 'tools'))
  await mkdir(app)
  await chown(app, ME, ME)
  await put('mine/file', ME, 0o600)
  await chown(join(app, 'mine'), ME, ME)
  await put('public/file', 999, 0o644)
  await put("secret/sub dir/it's\n", 999, 0o600)
  await put('closed/file', 999, 0o644)
  await chmod(join(app, 'closed'), 0o700)
  await symlink('closed', join(app, 'link'))
  await put('mine-but-root/.relay-backup/x', 0, 0o644)
  await chown(join(app, 'mine-but-root'), ME, ME)
  await put('mine-but-root/file', ME, 0o644)
})
afterAll(() => temp[Symbol.asyncDispose]())

describe.each(['dash', 'busybox'])('access.sh under %s', (shell) => {
  const ask = async (how: 'read' | 'replace' | 'settle', ...paths: string[]) => {
    const host = new LocalHost({
      ...(shell === 'busybox' ? { shell: ['busybox', 'sh'], path: tools } : {}),
      uid: ME,
      gid: ME,
    })
    return lookAtAccess({ remote: host, signal }, how, [app, ...paths])
  }

  it.each([
    ['mine', true],
    ['public', true],
    ['public/file', true],
    ['secret', false],
    ['closed', false],
    ['closed/file', false],
    ['link', false],
    ['not/there', true],
  ])('%s is readable: %s', async (path, readable) => {
    expect(await ask('read', path)).toEqual([readable])
  })

  it('tells what can be replaced: his own, and what is not there in his own directory', async () => {
    expect(
      await ask('replace', ...['mine', 'public', 'new', 'closed/new'].map((path) => join(app, path))),
    ).toEqual([true, true, false, true, false])
  })

  it('what a restore as root has left beside a target needs root', async () => {
    expect(await ask('replace', join(app, 'mine-but-root/file'))).toEqual([true, false])
  })

  it('what a restore as root has left in the deployment needs root', async () => {
    expect(await ask('settle')).toEqual([true])
    const root = join(app, 'mine-but-root')
    const host = new LocalHost({ uid: ME, gid: ME })
    expect(await lookAtAccess({ remote: host, signal }, 'settle', [root])).toEqual([false])
  })
})
