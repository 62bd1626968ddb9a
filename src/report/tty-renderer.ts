// The one file that draws on a terminal. Its rules:
// - It draws only below the line where it began, on the stream it was given, and only when that is a terminal.
// - Whatever it shows was made safe to print before: no byte from a server reaches the terminal as it is.
// - While it draws, lines of others to that stream are held back and come out below, after the last drawing.
// - Warnings never live in the part that is redrawn: they are written once, after the last drawing.
// - The cursor comes back however the process ends, a second Ctrl-C included.
// - It never reads keys and never listens for signals: main does.

import {
  createWritable,
  DefaultRenderer,
  Listr,
  ListrDefaultRendererLogLevels,
  ListrLogger,
  ListrTaskState,
  ProcessOutput,
} from 'listr2'
import type { ListrDefaultRendererOptions } from 'listr2'
import { printable } from '../model/path-bytes.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { noticeLine } from './event-line.ts'
import { createPaint } from './paint.ts'
import { ProgressText } from './progress-text.ts'
import type { EventRenderer } from './renderer.ts'
import { columnsOf, wrapText } from './wrap.ts'

export interface TtyOptions {
  readonly stream: NodeJS.WriteStream
  readonly color: boolean
  /** Monotonic ms. */
  readonly now: () => number
}

type List = Listr<unknown, 'default', 'default'>
type Task = List['tasks'][number]

interface HostTask {
  readonly task: Task
  readonly list: List
  readonly sources: Map<string, SourceTask>
}

interface SourceTask {
  readonly task: Task
  /** Plain bytes of the archives that are finished. */
  bytes: number
}

/**
 * A live list: a line per host, below it one per source with bytes, speed and time left.
 *
 * listr2 runs tasks that it gets beforehand. Here the operation runs by itself and emits events. So the tasks are only
 * listr2's model: the events set their states, and listr2's renderer draws them.
 */
export function createTtyRenderer({ stream, color, now }: TtyOptions): EventRenderer {
  const paint = createPaint(color)
  const progress = new ProgressText()
  const hosts = new Map<string, HostTask>()
  const notices: string[] = []
  const root: List = new Listr<unknown, 'default', 'default'>([], LIST_OPTIONS)
  // Only `stream` is drawn on and held back; listr2 would otherwise also take hold of the process's stderr.
  const nowhere = createWritable(() => {}) as NodeJS.WriteStream
  const output = new ProcessOutput(stream, nowhere, { dump: ['stdout'] })
  const renderer = new DefaultRenderer(root.tasks, rendererOptions(output, color), root.events)
  const writeNotices = () => {
    for (const line of notices) stream.write(`${wrapText(line, columnsOf(stream))}\n`)
  }
  const giveBack = () => {
    // Shows the cursor and writes the lines of others that were held back.
    output.release()
    writeNotices()
  }
  process.once('exit', giveBack)
  const drawing = renderer.render()

  const hostTask = (name: string): HostTask => {
    const known = hosts.get(name)
    if (known !== undefined) return known
    const task = addTask(root, printable(name))
    const list: List = new Listr<unknown, 'default', 'default'>([], LIST_OPTIONS, task)
    task.subtasks = list.tasks
    const host = { task, list, sources: new Map<string, SourceTask>() }
    hosts.set(name, host)
    return host
  }

  const sourceTask = (hostName: string, name: string): SourceTask => {
    const host = hostTask(hostName)
    const known = host.sources.get(name)
    if (known !== undefined) return known
    const source = { task: addTask(host.list, printable(name)), bytes: 0 }
    host.sources.set(name, source)
    return source
  }

  return {
    event(event) {
      switch (event.type) {
        case 'run-started':
        case 'run-ended':
          return
        case 'host-started':
          hostTask(event.host)
          return
        case 'host-step':
          describe(hostTask(event.host).task, event.host, event.step)
          return
        case 'host-finished':
          finish(hostTask(event.host).task, event.host, event.message)
          return
        case 'host-failed':
          fail(hostTask(event.host).task, event.host, event.error.message)
          return
        case 'source-started':
          sourceTask(event.host, event.source)
          return
        case 'source-step':
          describe(sourceTask(event.host, event.source).task, event.source, event.step)
          return
        case 'archive-progress':
          describe(sourceTask(event.host, event.source).task, event.source, progress.describe(event, now()))
          return
        case 'archive-finished': {
          const source = sourceTask(event.host, event.source)
          source.bytes += event.plainBytes
          describe(source.task, event.source, formatSize(source.bytes))
          return
        }
        case 'source-finished': {
          const { task, bytes } = sourceTask(event.host, event.source)
          finish(
            task,
            event.source,
            `${formatCount(event.entries, 'entry', 'entries')}, ${formatSize(bytes)}`,
          )
          return
        }
        case 'source-failed':
          fail(sourceTask(event.host, event.source).task, event.source, event.error.message)
          return
        case 'warning':
        case 'note':
          notices.push(noticeLine(event.type, event, paint))
      }
    },
    async close() {
      await drawing
      for (const { task, sources } of hosts.values()) {
        for (const source of sources.values()) stop(source.task)
        stop(task)
      }
      process.off('exit', giveBack)
      renderer.end()
      writeNotices()
    },
  }
}

const LIST_OPTIONS = {
  renderer: 'default',
  fallbackRenderer: 'default',
  exitOnError: false,
  registerSignalListeners: false,
} as const

function rendererOptions(processOutput: ProcessOutput, color: boolean): ListrDefaultRendererOptions {
  return {
    logger: new ListrLogger<ListrDefaultRendererLogLevels>({ processOutput }),
    collapseErrors: false,
    showErrorMessage: false,
    formatOutput: 'truncate',
    ...(color ? {} : { color: WITHOUT_COLOR }),
  }
}

const WITHOUT_COLOR = Object.fromEntries(
  Object.values(ListrDefaultRendererLogLevels).map((level) => [level, (text?: string) => text ?? '']),
)

function addTask(list: List, title: string): Task {
  list.add({ title, task: () => undefined })
  const task = list.tasks.at(-1) as Task
  // The renderer draws only tasks that it has found enabled.
  void task.check(undefined)
  task.state$ = ListrTaskState.STARTED
  return task
}

function describe(task: Task, name: string, text: string): void {
  if (!task.hasFinalized()) task.title = `${printable(name)}  ${printable(text)}`
}

function finish(task: Task, name: string, text: string): void {
  describe(task, name, text)
  if (!task.hasFinalized()) task.state$ = ListrTaskState.COMPLETED
}

function fail(task: Task, name: string, message: string): void {
  describe(task, name, `failed: ${message}`)
  if (!task.hasFinalized()) task.state$ = ListrTaskState.FAILED
}

/** A task that never came to an end was stopped by an error or an interrupt elsewhere. */
function stop(task: Task): void {
  if (task.hasFinalized()) return
  task.title = `${task.title ?? ''}  (stopped)`
  task.state$ = ListrTaskState.FAILED
}
