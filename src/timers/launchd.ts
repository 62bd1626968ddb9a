import { join } from 'node:path'
import { timerError } from './command.ts'
import { sameText, type RunProgram, type TimerKeeper } from './contract.ts'
import { namesIn, removeFiles, textOf, textsOf, writeFiles, type PutFile } from './files.ts'
import { launchdPlist } from './launchd-plist.ts'
import { runOrThrow } from './run-program.ts'
import { readSeal } from './seal.ts'
import { systemTimes } from './times.ts'

/** What the agents of launchd are kept with. */
export interface LaunchdParts {
  readonly run: RunProgram
  readonly put: PutFile
  readonly home: string
  readonly uid: number
  /** Tells the agents of one config from those of another. */
  readonly id: string
  readonly machineZone: string
  readonly now: () => Date
}

const NEXT = 'Log in at the screen of this Mac, and see what is wrong: launchctl print gui/$(id -u)'

/** Agents of this user, by macOS's launchd. */
export function launchdTimers({ run, put, home, uid, id, machineZone, now }: LaunchdParts): TimerKeeper {
  const directory = join(home, 'Library/LaunchAgents')
  const label = (name: string) => `relay-backup.${name}.${id}`
  const file = (name: string) => `${label(name)}.plist`
  const pattern = new RegExp(`^relay-backup\\.([a-z0-9][a-z0-9_-]*)\\.${id}\\.plist$`)
  const domain = `gui/${uid}`
  const isLoaded = async (name: string, signal: AbortSignal) =>
    (await run('launchctl', ['print', `${domain}/${label(name)}`], { signal })).status === 0
  const unload = async (name: string, signal: AbortSignal) => {
    if (await isLoaded(name, signal))
      await runOrThrow(run, 'launchctl', ['bootout', `${domain}/${label(name)}`], { signal }, NEXT)
  }

  return {
    name: 'launchd',
    where: (name) => join(directory, file(name)),
    render: (schedule, place) =>
      launchdPlist(schedule, place, {
        label: label(schedule.name),
        log: join(home, 'Library/Logs', `${label(schedule.name)}.log`),
        times: systemTimes(schedule, machineZone, now()),
      }),
    same: sameText,
    async list(signal) {
      const names = (await namesIn(directory)).flatMap((one) => pattern.exec(one)?.[1] ?? [])
      return await Promise.all(
        names.map(async (name) => {
          const text = await textsOf(directory, [file(name)])
          const { place, isWhole } = readSeal(text[0] ?? '')
          const problem = (await isLoaded(name, signal)) ? undefined : 'launchd has not loaded it'
          return { name, text, place, isEdited: !isWhole, problem }
        }),
      )
    },
    async apply({ put: wanted, remove }, signal) {
      for (const { name, text } of wanted) {
        await unload(name, signal)
        const path = join(directory, file(name))
        await writeFiles([{ path, text: text[0] ?? '' }], put)
        await runOrThrow(run, 'launchctl', ['bootstrap', domain, path], { signal }, NEXT)
        if (!(await isLoaded(name, signal)) || (await textOf(path)) !== text[0])
          throw timerError(`launchd does not have ${label(name)} as it was written`, NEXT)
      }
      for (const name of remove) {
        await unload(name, signal)
        await removeFiles([join(directory, file(name))])
      }
    },
    advice: () => Promise.resolve(['Agents of launchd run only while you are logged in at this Mac.']),
  }
}
