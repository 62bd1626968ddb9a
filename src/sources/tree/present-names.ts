import type { CaptureContext } from '../contract.ts'
import { directoryOf } from './find.ts'
import { commandFailed } from './resolve.ts'
import type { Root } from './roots.ts'

/** Bytes of names that one command is given. */
const MOST_BYTES = 1024 * 1024

type Where = Pick<CaptureContext, 'host' | 'probe' | 'privilege' | 'signal'>

/** What became of names that did not come. Those in neither list are gone. */
export interface PresentNames {
  readonly present: readonly string[]
  /** There, and we may not read them. */
  readonly denied: readonly string[]
}

/** Looks for names (members', in latin1) on the server. Throws RemoteError when it does not say. */
export async function presentNames(
  where: Where,
  roots: readonly Root[],
  names: readonly string[],
): Promise<PresentNames> {
  const found: string[] = []
  for (const base of ['deployment', 'root'] as const) {
    const below = roots
      .filter((root) => root.base === base)
      .map(({ name }) => Buffer.from(name).toString('latin1'))
    const here = names.filter((name) => below.some((root) => name === root || name.startsWith(`${root}/`)))
    const directory = directoryOf(where, base)
    for (const batch of batches(here)) found.push(...(await ask(where, directory, batch)))
  }
  const of = (what: string): string[] =>
    found.flatMap((field) => (field.startsWith(what) ? [field.slice(what.length)] : []))
  return { present: of('present '), denied: of('denied ') }
}

/** Fields of `present.sh`. */
async function ask(
  { host, privilege, signal }: Where,
  directory: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const result = await host.run(
    {
      script: 'sources/tree/present',
      patience: 'list',
      args: [directory],
      privilege,
      title: 'looking for what did not come',
    },
    { stdin: Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'), signal },
  )
  const fields = result.stdout.toString('latin1').split('\0')
  // The last name's end, and the empty one behind all of them.
  if (result.status !== 0 || fields.length < 2 || fields.at(-2) !== '') throw commandFailed(result)
  return fields.slice(0, -2)
}

function* batches(names: readonly string[]): Generator<readonly string[]> {
  let batch: string[] = []
  let bytes = 0
  for (const name of names) {
    if (batch.length > 0 && bytes + name.length > MOST_BYTES) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(name)
    bytes += name.length + 1
  }
  if (batch.length > 0) yield batch
}
