import type { ServerType } from '../../model/entry-types.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import type { CaptureContext } from '../contract.ts'
import { rootsByBase, startFind } from './find.ts'
import type { LeftOut } from './left-out.ts'
import { RootCheck } from './root-check.ts'
import type { Root } from './roots.ts'

/**
 * Everything of a source that a tar is to hold, by its member name, from a server whose find has no `-printf`; what is
 * no part of a backup is in `leftOut` when it ended. Throws as `scanFiles`.
 */
export async function* listNames(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
): AsyncGenerator<Buffer> {
  const check = new RootCheck(roots)
  leftOut.clear()
  for (const here of rootsByBase(roots)) {
    for await (const { name } of namesBelow(context, here, filter, leftOut, 'all')) {
      check.see(name)
      yield Buffer.from(name, 'latin1')
    }
  }
  check.end()
}

/** A name (latin1) as find lists it. */
export interface FoundName {
  readonly name: string
  /** True for a regular file with several names. Known when these are listed first. */
  readonly linked: boolean
}

/**
 * The entries below roots of one base, as find finds them: `all` at once, or files with several hard links before
 * everything else. `vanished` gets what went away meanwhile.
 */
export async function* namesBelow(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
  how: 'all' | 'linked-first',
  vanished: string[] = [],
): AsyncGenerator<FoundName> {
  // Sockets, devices and hard links are searched for in silence.
  const find = await startFind(context, roots, filter, {
    script: 'sources/tree/list',
    how,
    leftOut,
    patience: 'work',
  })
  try {
    let linked = how === 'linked-first'
    // The walk is one entry behind, because find reports a directory twice.
    let last: string | undefined
    const wanted = (isDirectory: boolean): readonly FoundName[] =>
      last === undefined || filter.excludes(last, isDirectory) ? [] : [{ name: last, linked }]
    for await (const field of fields(find.stdout as AsyncIterable<Buffer>)) {
      const special = SPECIAL.exec(field)
      if (special !== null) {
        const [, type = '', path = ''] = special
        if (!filter.excludes(memberOf(path), false)) leftOut.add(memberOf(path), TYPES[type] ?? 'other')
        continue
      }
      const name = field === '' ? undefined : memberOf(field)
      const isDirectory = name !== undefined && name === last
      yield* wanted(isDirectory)
      last = isDirectory ? undefined : name
      if (name === undefined) linked = false
    }
    yield* wanted(false)
  } finally {
    if (!find.stdout.readableEnded) find.stop()
  }
  vanished.push(...(await find.judge()))
}

const SPECIAL = /^(socket|device|other) (.*)$/s
const TYPES: Readonly<Record<string, ServerType>> = { socket: 'socket', device: 'character-device' }

function memberOf(path: string): string {
  return path.replace(/^\.\/(?=.)/s, '')
}

async function* fields(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, from)) {
      yield bytes.toString('latin1', from, end)
      from = end + 1
    }
    rest = bytes.subarray(from)
  }
}
