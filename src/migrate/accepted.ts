import { printable } from '../model/path-bytes.ts'
import { shellWord } from '../model/shell-word.ts'
import { decodeText, fieldLines } from '../model/talk.ts'
import type { RemoteHost } from '../remote/contract.ts'
import type { WorkPlace } from '../runs/visit.ts'
import { scriptFailure } from '../restore/server/failure.ts'
import { allKinds, logSuffixes } from '../sources/registry.ts'
import { formatCount } from '../model/units.ts'

interface Place extends WorkPlace {
  readonly id: string
}

/** As much of an append-only file as is read. */
const TAIL_LIMIT = 1024 * 1024

/**
 * What a TO that was undone had accepted after the last pull of `from`: how much, where it is kept, and how it gets to
 * the server that serves, for people. Nothing where it had accepted nothing. Throws RemoteError.
 */
export async function tellAccepted(remote: RemoteHost, from: string, place: Place): Promise<string[]> {
  const { deployment, id, privilege, signal } = place
  const title = 'looking for what it had accepted'
  const result = await remote.run(
    {
      script: 'migrate/accepted',
      patience: 'work',
      args: [deployment, id, 'list', ...logSuffixes()],
      privilege,
      title,
    },
    { signal },
  )
  const lines = fieldLines(result.stdout)
  if (result.status !== 0 || !lines.some(([verb]) => verb === 'end'))
    throw scriptFailure(remote, title, result)
  const told: string[] = []
  for (const [, number, tree] of lines.filter(([verb]) => verb === 'unit')) {
    const of = (verb: string) => lines.filter((line) => line[0] === verb && line[1] === number)
    const logs = of('log').map((line) => ({ offset: decodeText(line[2]), file: decodeText(line[3]) }))
    for (const { offset, file } of logs.filter((one) => one.file.startsWith(`${decodeText(tree)}/`))) {
      const written = logOf(file)
      if (written === undefined) continue
      const { title, log } = written
      if (offset === '') {
        told.push(
          `${title} has rewritten its ${log.title} there, so how many writes it accepted is not known: ${printable(file)}`,
        )
        continue
      }
      const args = [deployment, id, 'tail', file, offset]
      const tail = await remote.run(
        { script: 'migrate/accepted', patience: 'work', args, privilege, title },
        { signal },
      )
      const count = log.countWrites(tail.stdout)
      if (count === 0) continue
      const more = tail.stdout.length >= TAIL_LIMIT ? 'at least ' : ''
      const one = count === 1
      told.push(
        `${title} had accepted ${more}${formatCount(count, 'write')} there after the last pull of ${from}, ${one ? 'which is' : 'which are'} kept at the end of ${printable(file)}`,
        `To bring ${one ? 'it' : 'them'} to ${from} (look first: ${one ? 'it is' : 'each is'} done once more on what ${from} has): tail -c +${Number(offset) + 1} ${shellWord(printable(file))} on ${remote.name}, into ${log.replay} on ${from}`,
      )
    }
    const changed = Number(of('changed')[0]?.[2] ?? 0)
    const names = of('name').map((line) => printable(decodeText(line[2])))
    if (changed > 0 && logs.length === 0) {
      told.push(
        `${formatCount(changed, 'file was', 'files were')} written there after the last pull of ${from}: ${names.join(', ')}${changed > names.length ? ', …' : ''}`,
        `Copy from there to ${from} what it lacks.`,
      )
    }
  }
  return told
}

/** The kind whose server writes such a log. */
function logOf(file: string) {
  for (const { title, engine } of allKinds()) {
    if (engine?.log !== undefined && file.endsWith(engine.log.suffix)) return { title, log: engine.log }
  }
  return undefined
}
