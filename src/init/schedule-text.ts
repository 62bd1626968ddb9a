import { type Document, isMap, isNode, isScalar, parseDocument, type YAMLMap } from 'yaml'
import { flow } from './config-text.ts'

/** A schedule as the config has it. */
export type WrittenSchedule = Readonly<Record<string, unknown>>

/** What the config says of a schedule, as it is written there; undefined: nothing. */
export function scheduleIn(text: string, name: string): WrittenSchedule | undefined {
  const value: unknown = parseDocument(text, { merge: true }).toJS()
  const schedules = (value as { schedules?: Record<string, WrittenSchedule> | null } | null)?.schedules
  return schedules?.[name]
}

/**
 * The text of a config with a schedule of this name: one more, or another in place of the one that it has. All else stays as
 * it is, comments too.
 */
export function withSchedule(text: string, name: string, schedule: WrittenSchedule): string {
  const document = parseDocument(text, { merge: true })
  const expected = changed(document, name, schedule)
  const schedules: unknown = document.get('schedules', true)
  const spliced = isMap(schedules)
    ? splice(text, schedules, name, schedule)
    : document.has('schedules') || !isMap(document.contents) || document.contents.flow === true
      ? undefined
      : append(text, name, schedule)
  if (spliced !== undefined && same(parseDocument(spliced, { merge: true }), expected)) return spliced
  return expected.toString({ lineWidth: 0 })
}

function append(text: string, name: string, schedule: WrittenSchedule): string {
  return `${text.trimEnd()}\n\n# What runs when. After a change: relay-backup schedule install\nschedules:\n  ${name}: ${flow(schedule)}\n`
}

/** Undefined where the schedules are not written in lines. */
function splice(
  text: string,
  schedules: YAMLMap,
  name: string,
  schedule: WrittenSchedule,
): string | undefined {
  if (schedules.flow === true) return undefined
  const pair = schedules.items.find(({ key }) => isScalar(key) && key.value === name)
  if (pair !== undefined) {
    const range = isNode(pair.value) ? pair.value.range : undefined
    // A map in lines ends behind its last newline, which stays.
    if (!range) return undefined
    const old = text.slice(range[0], range[1])
    const tail = /\s*$/.exec(old)?.[0] ?? ''
    const isBlock = isMap(pair.value) && pair.value.flow !== true
    const before = isBlock ? `${text.slice(0, range[0]).trimEnd()} ` : text.slice(0, range[0])
    return before + flow(schedule) + tail + text.slice(range[1])
  }
  const first = schedules.items[0]?.key
  const last: unknown = schedules.items.at(-1)?.value
  const start = isScalar(first) ? first.range?.[0] : undefined
  const end = isNode(last) ? last.range?.[1] : undefined
  if (start === undefined || end === undefined) return undefined
  const indent = ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1))
  const newline = text.indexOf('\n', end - 1)
  const at = newline === -1 ? text.length : newline + 1
  const before = text.slice(0, at)
  return `${before}${before.endsWith('\n') ? '' : '\n'}${indent}${name}: ${flow(schedule)}\n${text.slice(at)}`
}

function changed(document: Document, name: string, schedule: WrittenSchedule): Document {
  const copy = document.clone()
  const value = copy.createNode(schedule, { flow: true })
  if (isMap(copy.get('schedules', true))) copy.setIn(['schedules', name], value)
  else copy.set('schedules', copy.createNode({ [name]: value }))
  return copy
}

function same(one: Document, other: Document): boolean {
  return one.errors.length === 0 && JSON.stringify(one.toJS()) === JSON.stringify(other.toJS())
}
