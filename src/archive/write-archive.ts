import type { Transform } from 'node:stream'
import { DamageError } from '../errors.ts'
import { createCompress } from './compression.ts'
import type { ArchiveInput, ArchiveObserver, WriteArchive } from './contract.ts'
import type { ByteWriter } from './pump.ts'
import { explainDisk } from './disk-error.ts'
import { ClosedEarlyError, StreamWriter, pump, tee } from './pump.ts'
import { MemberGuard } from './member-guard.ts'
import { MessageHash } from '../model/message-hash.ts'
import { startReadBack } from './read-back.ts'
import { StreamScope } from './stream-scope.ts'
import { createTarJoin } from './tar-join.ts'

/**
 * What an archive may unpack to, where nothing tells how much there is: deflate makes at most 1032 bytes of one, zstd
 * 32,768. Zeros may need that (a sparse file travels as zeros), up to this size.
 */
const MOST_RATIO = 1100
const MOST_OF_ZEROS = 64 * 1024 ** 3

/** At most this often, in ms. */
const PROGRESS_INTERVAL = 100

/**
 * The streaming pipe; the promises are those of {@link WriteArchive}. It takes over both streams: on any
 * failure, or when the signal fires, both are destroyed at once and the first error alone is thrown.
 */
export const writeArchive: WriteArchive = async (
  input,
  { encryptor, sink, observer = {}, mostPlainBytes, onProgress, signal },
) => {
  if (input.wire !== 'none' && input.wire !== input.store) {
    throw new TypeError(`can't store a ${input.wire} stream as ${input.store}`)
  }
  using scope = new StreamScope(signal)
  const source = scope.own(input.stream, 'readable', explainInput)
  const file = new StreamWriter(scope.own(sink.stream, 'writable', explainDisk))
  const { stream: cipher, headBytes } = await scope.run(
    encryptor.encrypt().then((message) => {
      scope.own(message.stream, 'readable')
      return message
    }),
  )

  let wireBytes = 0
  const readBack = startReadBack(
    { format: input.format, compression: input.store },
    input.format === 'tar' ? guarded(observer) : observer,
    (stream) => scope.own(stream, 'readable', explainReadBack),
    () => mostPlainBytes ?? MOST_OF_ZEROS + wireBytes * MOST_RATIO,
  )
  let progressAt = 0
  const count = (chunk: Buffer) => {
    wireBytes += chunk.length
    if (!onProgress || performance.now() - progressAt < PROGRESS_INTERVAL) return
    progressAt = performance.now()
    onProgress({ wireBytes, plainBytes: readBack.totals.plainBytes })
  }

  const stored = tee(readBack.input, new StreamWriter(cipher))
  const { entrance, tasks } = chain(stagesFor(input, scope), stored)
  const written = new MessageHash(headBytes)
  const [totals] = await Promise.all([
    scope.run(readBack.result, explainReadBack),
    scope.run(
      pump(
        source,
        (chunk) => {
          count(chunk)
          return entrance.write(chunk)
        },
        () => entrance.end(),
      ),
      explainInput,
    ),
    scope.run(
      pump(
        cipher,
        (chunk) => {
          written.update(chunk)
          return file.write(chunk)
        },
        () => file.end(),
      ),
      explainDisk,
    ),
    ...tasks.map((task) => scope.run(task)),
  ])
  scope.done()
  onProgress?.({ wireBytes, plainBytes: totals.plainBytes })
  return { ...totals, wireBytes, ...written.digest() }
}

/** What a restore would refuse is refused here, while it can still be captured otherwise. */
function guarded(observer: ArchiveObserver): ArchiveObserver {
  const guard = new MemberGuard()
  return {
    ...observer,
    ...(observer.tap === undefined ? {} : { tap: observer.tap.bind(observer) }),
    entry: (entry) => {
      guard.check(entry)
      observer.entry?.(entry)
    },
  }
}

/** What has to be done to the stream before it is as it will be stored. */
function stagesFor(input: ArchiveInput, scope: StreamScope): Transform[] {
  const stages: Transform[] = []
  if (input.concatenated) stages.push(scope.own(createTarJoin(), 'readable', explainReadBack))
  if (input.wire !== input.store) stages.push(scope.own(createCompress(input.store, input.level), 'readable'))
  return stages
}

/** Chains stages in front of the last writer; returns what to write to, and the tasks that move the bytes. */
function chain(stages: readonly Transform[], last: ByteWriter) {
  let entrance = last
  const tasks: Promise<void>[] = []
  for (const stage of stages.toReversed()) {
    const next = entrance
    tasks.push(
      pump(
        stage,
        (chunk) => next.write(chunk),
        () => next.end(),
      ),
    )
    entrance = new StreamWriter(stage)
  }
  return { entrance, tasks }
}

function explainInput(error: unknown): unknown {
  if (!(error instanceof ClosedEarlyError)) return error
  return new DamageError('input-closed', 'The stream from the server was closed before its end', {
    next: 'Run the pull again.',
    cause: error,
  })
}

function explainReadBack(error: unknown): unknown {
  if (!(error instanceof DamageError)) return error
  if (error.code.startsWith('hostile-')) {
    return error.withDetails({
      next: 'Look at tar on the server: it, or something in its place, packs what no restore takes. Nothing of this source was kept.',
    })
  }
  return error.withDetails({
    next: 'Run the pull again. If it happens again, check the disk and the tar of the server.',
  })
}
