import { execFile } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const BUSYBOX = '/bin/busybox'

/**
 * Makes `folder` hold one link per busybox applet and returns it: as the only PATH it makes a machine look like
 * one where every tool is busybox's (`startSshd({ path })`). `without` leaves applets out.
 */
export async function busyboxTools(
  folder: string,
  options: { readonly without?: readonly string[] } = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(BUSYBOX, ['--list'])
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const applets = stdout.split('\n').filter((name) => name !== '' && !options.without?.includes(name))
  await Promise.all(applets.map((name) => symlink(BUSYBOX, join(folder, name))))
  return folder
}
