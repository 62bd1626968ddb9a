import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { timerError } from './command.ts'
import type { InstalledTimer, RunProgram, TimerKeeper } from './contract.ts'
import { runOrThrow } from './run-program.ts'
import { readSeal } from './seal.ts'
import { essenceOf, taskXml } from './task-xml.ts'
import { systemTimes } from './times.ts'
import { fromXmlText } from './xml.ts'

/** What the tasks of Windows are kept with. */
export interface TaskParts {
  readonly run: RunProgram
  /** Tells the tasks of one config from those of another. */
  readonly id: string
  readonly machineZone: string
  readonly now: () => Date
}

const NEXT = 'See what is wrong in the Task Scheduler, below the folder relay-backup'

/** Tasks of Windows' Task Scheduler. */
export function taskTimers({ run, id, machineZone, now }: TaskParts): TimerKeeper {
  const task = (name: string) => `\\relay-backup\\${name}-${id}`
  const schtasks = (args: readonly string[], signal: AbortSignal) =>
    runOrThrow(run, 'schtasks', args, { signal }, NEXT)
  const textOf = async (name: string, signal: AbortSignal) => {
    const xml = await schtasks(['/Query', '/TN', task(name), '/XML'], signal)
    return xml
      .replaceAll('\r\n', '\n')
      .replaceAll('\u0000', '')
      .replace(/^\ufeff/, '')
  }

  return {
    name: 'the Task Scheduler',
    where: task,
    render: (schedule, place) => taskXml(schedule, place, systemTimes(schedule, machineZone, now())),
    same: ([one = ''], [other = '']) => essenceOf(one) === essenceOf(other),
    async list(signal) {
      const table = await schtasks(['/Query', '/FO', 'CSV', '/NH'], signal)
      const pattern = new RegExp(`^"\\\\relay-backup\\\\([a-z0-9][a-z0-9_-]*)-${id}"`, 'gm')
      const names = new Set([...table.matchAll(pattern)].map((match) => match[1] ?? ''))
      const found: InstalledTimer[] = []
      for (const name of names) {
        const xml = await textOf(name, signal)
        const description = fromXmlText(/<Description>([^<]*)<\/Description>/.exec(xml)?.[1] ?? '')
        const { place, isWhole } = readSeal(`${description}\n${essenceOf(xml)}`)
        found.push({ name, text: [xml], place, isEdited: !isWhole })
      }
      return found
    },
    async apply({ put, remove }, signal) {
      const directory = await mkdtemp(join(tmpdir(), 'relay-backup-'))
      try {
        for (const { name, text } of put) {
          const file = join(directory, `${name}.xml`)
          await writeFile(file, `\ufeff${text[0] ?? ''}`.replaceAll('\n', '\r\n'), 'utf16le')
          await schtasks(['/Create', '/TN', task(name), '/XML', file, '/F'], signal)
          if (essenceOf(await textOf(name, signal)) !== essenceOf(text[0] ?? ''))
            throw timerError(`Windows has another task ${task(name)} than was written`, NEXT)
        }
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
      for (const name of remove) await schtasks(['/Delete', '/TN', task(name), '/F'], signal)
    },
    advice: () => Promise.resolve(['Tasks of Windows run only while you are logged in.']),
  }
}
