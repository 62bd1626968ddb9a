import { join } from 'node:path'
import { timerError } from './command.ts'
import { sameText, type InstalledTimer, type RunProgram, type TimerKeeper } from './contract.ts'
import { namesIn, removeFiles, textOf, textsOf, writeFiles, type PutFile } from './files.ts'
import { runOrThrow } from './run-program.ts'
import { readSeal } from './seal.ts'
import { systemdUnits } from './systemd-units.ts'

/** What the timers of a user's systemd are kept with. */
export interface SystemdParts {
  readonly run: RunProgram
  readonly put: PutFile
  /** `~/.config/systemd/user`. */
  readonly directory: string
  /** Tells the timers of one config from those of another. */
  readonly id: string
  readonly user: string
}

const NEXT = 'Log in as this user itself, not by su or sudo, and see what is wrong: systemctl --user status'

/** Timers of systemd's manager of this user. */
export function systemdTimers({ run, put, directory, id, user }: SystemdParts): TimerKeeper {
  const unit = (name: string) => `relay-backup-${name}-${id}`
  const files = (name: string) => [`${unit(name)}.service`, `${unit(name)}.timer`]
  const pattern = new RegExp(`^relay-backup-([a-z0-9][a-z0-9_-]*)-${id}\\.(?:service|timer)$`)
  const systemctl = (args: readonly string[], signal: AbortSignal) =>
    runOrThrow(run, 'systemctl', ['--user', ...args], { signal }, NEXT)

  async function list(signal: AbortSignal): Promise<readonly InstalledTimer[]> {
    const all = await namesIn(directory)
    const names = new Set(all.flatMap((file) => pattern.exec(file)?.[1] ?? []))
    return await Promise.all(
      [...names].map(async (name) => {
        const text = await textsOf(directory, files(name))
        const seals = text.map(readSeal)
        const additions = all.filter((file) => files(name).some((one) => file === `${one}.d`))
        return {
          name,
          text,
          place: seals[1]?.place ?? seals[0]?.place,
          isEdited: seals.some(({ isWhole }) => !isWhole),
          problem: await problemOf(name, signal),
          additions: additions.map((one) => join(directory, one)),
        }
      }),
    )
  }

  /** A timer that is written and not started does nothing. */
  async function problemOf(name: string, signal: AbortSignal): Promise<string | undefined> {
    const { status, stdout } = await run('systemctl', ['--user', 'is-active', `${unit(name)}.timer`], {
      signal,
    })
    if (status === 0) return undefined
    return `its timer is ${stdout.trim() || 'not known to systemd'}`
  }

  return {
    name: 'systemd',
    where: (name) => `${unit(name)}.timer`,
    render: systemdUnits,
    same: sameText,
    list,
    async apply({ put: wanted, remove }, signal) {
      await writeFiles(
        wanted.flatMap(({ name, text }) =>
          files(name).map((file, at) => ({ path: join(directory, file), text: text[at] ?? '' })),
        ),
        put,
      )
      if (wanted.length > 0) await systemctl(['daemon-reload'], signal)
      for (const { name } of wanted) {
        const timer = `${unit(name)}.timer`
        await systemctl(['enable', timer], signal)
        // A timer that runs takes its new times from a restart only.
        await systemctl(['restart', timer], signal)
      }
      for (const { name, text } of wanted) {
        const has = await systemctl(['cat', ...files(name)], signal)
        if (!text.every((part) => has.includes(part)))
          throw timerError(`systemd has another text of ${unit(name)} than was written`, NEXT)
        const listed = await systemctl(['list-timers', '--all', '--no-legend', `${unit(name)}.timer`], signal)
        if (!listed.includes(`${unit(name)}.timer`))
          throw timerError(`systemd does not list the timer ${unit(name)}`, NEXT)
      }
      for (const name of remove) {
        const [service = '', timer = ''] = files(name)
        if ((await textOf(join(directory, timer))) !== undefined) {
          await systemctl(['disable', '--now', timer], signal)
          // When it ran last, which Persistent=true looks at: older versions do not clean.
          await run('systemctl', ['--user', 'clean', '--what=state', timer], { signal })
        }
        await removeFiles([join(directory, timer), join(directory, service)])
      }
      if (remove.length > 0) await systemctl(['daemon-reload'], signal)
    },
    async advice(signal) {
      const { status, stdout } = await run('loginctl', ['show-user', user, '--property=Linger'], { signal })
      if (status === 0 && stdout.trim() === 'Linger=yes') return []
      return [
        `Timers of systemd run only while ${user} is logged in, until you allow more: loginctl enable-linger ${user}`,
      ]
    },
  }
}
