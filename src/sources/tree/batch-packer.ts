import { Readable } from 'node:stream'
import { SourceError } from '../../errors.ts'
import { latin1 } from '../../model/path-bytes.ts'
import type { PathFilter } from '../../model/path-filter.ts'
import type { ExitResult, RemoteProcess } from '../../remote/contract.ts'
import { chooseCompression } from '../compression-choice.ts'
import type { CaptureContext } from '../contract.ts'
import { parseStreamStatus, streamNonce } from '../stream-status.ts'
import type { StreamStatus } from '../stream-status.ts'
import { noTar, refuseRoots, vanishedSource } from './failures.ts'
import type { LeftOut } from './left-out.ts'
import { directoryOf, rootsByBase } from './find.ts'
import { namesBelow } from './list-names.ts'
import type { FoundName } from './list-names.ts'
import { NOTHING_SAID, passOf } from './pass.ts'
import type { Packer, Pass } from './pass.ts'
import { commandFailed } from './resolve.ts'
import type { Root } from './roots.ts'
import { TarTracker } from './tar-tracker.ts'

/** The most names of one batch: as many as fit one run of xargs, and whose report fits, too. */
const MOST_NAMES = 2000
const MOST_BYTES = 60_000

const END_OF_ARCHIVE = Buffer.alloc(1024)

/** Names (latin1) below one directory of the server. */
interface Batch {
  readonly directory: string
  readonly names: readonly string[]
  /** Follow symlinks among the names. */
  readonly follow: boolean
}

interface Findings {
  readonly changed: string[]
  readonly vanished: string[]
  readonly sockets: string[]
  readonly unreadable: string[]
  readonly remarks: string[]
}

/**
 * Packs with a tar that has neither name lists nor excludes, nor says when a file changed under it, and that ends
 * in the middle of the archive when a file shrank (busybox): find lists the names, and each batch of them is a tar
 * of its own. A member that was cut is filled up with zeros here, and the batch goes on behind it. Plain on the
 * wire, compressed here. Things that busybox tar can't express are lost: fractions of a second, times before 1970,
 * extended attributes.
 */
export function batchPacker(
  context: CaptureContext,
  roots: readonly Root[],
  filter: PathFilter,
  leftOut: LeftOut,
): Packer {
  const { store, level } = chooseCompression(context.compression, context.probe)
  return {
    compression: level === undefined ? { wire: 'none', store } : { wire: 'none', store, level },
    concatenated: true,
    all: () => Promise.resolve(batchPass(context, roots, (run) => listed(run))),
    again: (members) => Promise.resolve(batchPass(context, roots, () => named(members))),
  }

  async function* listed({ findings }: Run): AsyncGenerator<Batch> {
    leftOut.clear()
    for (const here of rootsByBase(roots)) {
      const directory = directoryOf(context, here[0]?.base ?? 'deployment')
      const followed = here.filter((root) => root.link !== undefined).map((root) => latin1(root.name))
      if (followed.length > 0) yield { directory, names: followed, follow: true }
      // Directories come last: a tar that unpacks sets their times when it is done with the entries that follow them.
      const found = namesBelow(context, here, filter, leftOut, 'linked-first', findings.vanished)
      let linkedBatches = 0
      for await (const batch of inBatches(found, ({ name }) => !followed.includes(name))) {
        if (batch[0]?.linked === true) linkedBatches += 1
        yield { directory, names: batch.map(({ name }) => name), follow: false }
      }
      if (linkedBatches > 1) {
        findings.remarks.push('too many hard links for one batch: some were packed as copies')
      }
    }
  }

  async function* named(members: readonly string[]): AsyncGenerator<Batch> {
    for (const here of rootsByBase(roots)) {
      const directory = directoryOf(context, here[0]?.base ?? 'deployment')
      const mine = members.filter((name) => here.some((root) => isBelow(name, latin1(root.name))))
      const followed = here.filter((root) => root.link !== undefined).map((root) => latin1(root.name))
      for (const follow of [true, false]) {
        const names = mine.filter((name) => followed.includes(name) === follow)
        const found = names.map((name) => ({ name, linked: true }))
        for await (const batch of inBatches(found, () => true)) {
          yield { directory, names: batch.map(({ name }) => name), follow }
        }
      }
    }
  }
}

/** The running part of a pass: what it has started on the server, and what it has found. */
interface Run {
  readonly findings: Findings
}

function batchPass(
  context: CaptureContext,
  roots: readonly Root[],
  plan: (run: Run) => AsyncIterable<Batch>,
): Pass {
  const findings: Findings = { changed: [], vanished: [], sockets: [], unreadable: [], remarks: [] }
  const running = new Set<RemoteProcess>()
  let failure: unknown

  async function start(args: readonly string[], stdin: Buffer): Promise<Started> {
    const nonce = streamNonce()
    const process = await context.host.spawn(
      {
        script: 'sources/tree/batch',
        patience: 'stream',
        args: [nonce, ...args],
        privilege: context.privilege,
        title: 'tar on the server',
      },
      { signal: context.signal },
    )
    running.add(process)
    process.exit.catch(() => {})
    process.stdin.end(stdin)
    return {
      stdout: process.stdout as AsyncIterable<Buffer>,
      ended: async () => {
        const exit = await process.exit
        running.delete(process)
        const status = parseStreamStatus(exit.stderr, nonce)
        if (status === undefined) throw commandFailed(exit)
        return { exit, status }
      },
    }
  }

  async function* packed(): AsyncGenerator<Buffer> {
    try {
      let any = false
      for await (const batch of plan({ findings })) {
        let { names: rest } = batch
        while (rest.length > 0) {
          const report: BatchReport = yield* pack(batch, rest)
          any = true
          rest = rest.slice(report.next)
        }
      }
      // The reader insists on an archive, and an archive without members is one, too.
      if (!any) yield END_OF_ARCHIVE
    } catch (error) {
      failure = error
      throw error
    } finally {
      for (const process of running) process.kill()
    }
  }

  async function* pack(batch: Batch, names: readonly string[]): AsyncGenerator<Buffer, BatchReport> {
    const seen = new Set<number>()
    let last = -1
    const tracker = new TarTracker((member) => {
      const name = member.toString('latin1').replace(/(?<=.)\/+$/s, '')
      const index = names.indexOf(name, last + 1)
      if (index === -1) {
        throw new SourceError('capture-failed', 'tar on the server packed a file it was not asked for', {
          next: 'Pull again; if it comes back, install GNU tar on the server.',
        })
      }
      last = index
      seen.add(index)
    })
    const stdin = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1')
    const tar = await start([batch.directory, batch.follow ? 'yes' : 'no'], stdin)
    for await (const chunk of tar.stdout) {
      tracker.write(chunk)
      yield chunk
    }
    const { status, exit } = await tar.ended()
    const noted = (key: string): number[] =>
      status.notes
        .filter((note) => note.key === key)
        .flatMap((note) => note.value.split(' '))
        .filter((value) => value !== '')
        .map(Number)
    const pick = (key: string): string[] => noted(key).flatMap((index) => names[index] ?? [])
    const code = noted('exit').findLast((each) => each !== 0) ?? status.statuses.get('tar') ?? 255
    if (code === 127) throw noTar()

    const cut = code !== 0 && tracker.inContent
    if (cut) {
      yield* zeros(tracker.lacking)
      yield END_OF_ARCHIVE
    }
    const until = cut ? last + 1 : names.length
    const before = (index: number): boolean => index < until
    const denied = noted('unreadable').filter((index) => before(index) && !seen.has(index))
    const locked = denied.flatMap((index) => names[index] ?? [])
    await refuseRoots(context, roots, locked)
    findings.unreadable.push(...locked)
    const explained = new Set([...seen, ...noted('socket'), ...noted('gone'), ...denied])
    const unexplained = names.findIndex((_name, index) => before(index) && !explained.has(index))
    // busybox tar ends with 1 for each of the above.
    const known = code === 0 || cut || explained.size > seen.size
    if (unexplained !== -1 || !known || tracker.inHeader || (tracker.inContent && !cut)) {
      throw new SourceError('capture-failed', `tar on the server failed with status ${code}`, {
        command: 'tar on the server',
        exitStatus: code,
        stderr: status.messages.trim() || exit.stderr,
        next: 'Look into the message above on the server, then pull again.',
      })
    }
    const gone = noted('gone').filter((index) => before(index) && !seen.has(index))
    const lost = roots.find((root) => gone.some((index) => names[index] === latin1(root.name)))
    if (lost !== undefined) throw vanishedSource(lost)
    findings.vanished.push(...gone.flatMap((index) => names[index] ?? []))
    findings.sockets.push(
      ...noted('socket')
        .filter(before)
        .flatMap((index) => names[index] ?? []),
    )
    findings.changed.push(...pick('changed').filter((name) => before(names.indexOf(name))))
    if (cut) findings.changed.push(...names.slice(last, last + 1))
    return { next: until }
  }

  return passOf(Readable.from(packed(), { objectMode: false, highWaterMark: 1024 * 1024 }), {
    stop: () => running.forEach((process) => process.kill()),
    failure: () => failure,
    report: () => ({ ...NOTHING_SAID, ...findings, changed: [...new Set(findings.changed)] }),
  })
}

interface Started {
  readonly stdout: AsyncIterable<Buffer>
  ended(): Promise<{ readonly exit: ExitResult; readonly status: StreamStatus }>
}

interface BatchReport {
  /** How many of the names are settled. */
  readonly next: number
}

/** Batches of names; those of hard links are not mixed with others. */
async function* inBatches(
  found: AsyncIterable<FoundName> | Iterable<FoundName>,
  isWanted: (found: FoundName) => boolean,
): AsyncGenerator<readonly FoundName[]> {
  let batch: FoundName[] = []
  let bytes = 0
  for await (const one of found) {
    if (!isWanted(one)) continue
    const isFull = batch.length === MOST_NAMES || bytes + one.name.length > MOST_BYTES
    if (batch.length > 0 && (isFull || batch[0]?.linked !== one.linked)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(one)
    bytes += one.name.length + 1
  }
  if (batch.length > 0) yield batch
}

function* zeros(length: number): Generator<Buffer> {
  const block = Buffer.alloc(64 * 1024)
  for (let left = length; left > 0; left -= block.length)
    yield block.subarray(0, Math.min(left, block.length))
}

function isBelow(name: string, root: string): boolean {
  return root === '' || name === root || name.startsWith(`${root}/`)
}
