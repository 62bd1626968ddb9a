import { packTar } from '../archive/pack-tar.ts'
import type { Readable } from 'node:stream'
import type {
  ArchiveObserver,
  ArchiveResult,
  IndexHeader,
  ReadEntry,
  StreamEntry,
} from '../archive/contract.ts'
import { ConnectionError, InterruptedError, RelayError, SourceError, VaultError } from '../errors.ts'
import type { SourceConfig } from '../model/config.ts'
import { formatCount, formatSize } from '../model/units.ts'
import { pathToJson, printable } from '../model/path-bytes.ts'
import { UNREADABLE } from '../model/snapshot.ts'
import type { Compression, ManifestArchive, ManifestFile } from '../model/snapshot.ts'
import type { ChosenPrivilege } from '../runs/privilege.ts'
import type { Visit } from '../runs/visit.ts'
import type { Capture, CaptureArchive, PullContext, CaptureOutcome } from '../sources/contract.ts'
import { kindOf } from '../sources/registry.ts'
import type { PendingFile, PendingSnapshot } from '../vault/contract.ts'
import { archiveFileName } from './archive-name.ts'
import type { PullDependencies } from './dependencies.ts'
import { nextWithRefusal } from './privilege.ts'
import { containerFinder } from '../runs/container-finder.ts'

/** Where a source is captured from, with the privilege by which it is read, and where to. */
export interface PullSourceContext extends Visit {
  /** Why root by Docker is refused, where it would be needed. */
  readonly refused?: ChosenPrivilege['refused']
  readonly pending: PendingSnapshot
  /**
   * Sources are looked at, and wait for their servers, side by side. The work that takes memory and fills the line goes
   * through here, one after another. Rejects without running it once the signal is aborted.
   */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
  /** Files that were made so far. They are removed when the source fails. */
  readonly files: PendingFile[]
}

/** The archives of a source, written. */
export interface CapturedArchives {
  readonly archives: readonly ManifestArchive[]
  /** What the archives of the format `stream` hold. */
  readonly objects: readonly StreamEntry[]
  readonly wireBytes: number
  readonly outcome: CaptureOutcome
}

/**
 * Streams every archive of a capture into the pending snapshot, read back and judged at both ends. `add` takes every
 * member, synchronously and in reading order. `listedBytes` is the size of the source when it was listed: an archive
 * that unpacks to far more is a bomb. Throws a RelayError when the source can't be trusted.
 */
export async function captureArchives(
  context: PullSourceContext,
  config: SourceConfig,
  capture: Capture,
  dependencies: PullDependencies,
  add: (entry: ReadEntry, place: { readonly part: string; readonly archive: string }) => void,
  listedBytes?: number,
): Promise<CapturedArchives> {
  const archives: ManifestArchive[] = []
  const objects: StreamEntry[] = []
  let wireBytes = 0
  for await (const archive of capture.archives()) {
    const { store } = archive.input
    const file = await createFile(context, archiveFileName(config.name, archive, store))
    const place = { part: archive.part, archive: file.name }
    const knownBytes = archive.expectedPlainBytes ?? listedBytes
    const mostPlainBytes = mostOf(listedBytes ?? archive.expectedPlainBytes)
    const result = await streamArchive(
      context,
      config,
      { archive, file, mostPlainBytes, knownBytes },
      dependencies,
      (entry) => add(entry, place),
    )
    wireBytes += result.wireBytes
    for (const object of archive.objects?.() ?? []) objects.push({ archive: file.name, ...object })
    const { part, format, content = 'all' } = archive
    const { bytes, plainBytes, sha256, body } = result
    const { recipients } = dependencies.encryptor
    archives.push({
      part,
      format,
      content,
      file: file.name,
      bytes,
      plainBytes,
      compression: store,
      recipients,
      sha256,
      body,
    })
  }
  const outcome = await capture.finish()
  if (archives.length === 0) throw new SourceError('nothing-captured', 'the capture gave no archive')
  return { archives, objects, wireBytes, outcome }
}

/** Twice as much and some more, for files that grow meanwhile and for the tar around them. */
function mostOf(known: number | undefined): number | undefined {
  return known === undefined ? undefined : known * 2 + 1024 ** 3
}

/** One archive through the pipe and to the disk; both ends of it are judged. */
async function streamArchive(
  context: PullSourceContext,
  config: SourceConfig,
  {
    archive,
    file,
    mostPlainBytes,
    knownBytes,
  }: {
    readonly archive: CaptureArchive
    readonly file: PendingFile
    readonly mostPlainBytes: number | undefined
    /** What it is expected to hold. */
    readonly knownBytes: number | undefined
  },
  dependencies: PullDependencies,
  add: (entry: ReadEntry) => void,
): Promise<ArchiveResult> {
  const { reporter, writeArchive, encryptor, throttle, now } = dependencies
  const names = { host: context.host.name, source: config.name, archive: file.name }
  const started = now().getTime()
  let plainBytes = 0
  let result: ArchiveResult
  try {
    result = await writeArchive(
      { ...archive.input, stream: throttle(archive.input.stream) },
      {
        encryptor,
        sink: { stream: file.stream },
        observer: observeInto(archive, add),
        mostPlainBytes,
        onProgress: (progress) => {
          plainBytes = progress.plainBytes
          reporter.event({
            type: 'archive-progress',
            ...names,
            ...progress,
            expectedPlainBytes: archive.expectedPlainBytes,
          })
        },
        signal: context.signal,
      },
    )
  } catch (error) {
    archive.abort()
    const come = { context, config, plainBytes, knownBytes }
    throw await withMissing(await explain(error, archive), come, dependencies)
  }
  await archive.finish()
  await finishFile(file, result.bytes)
  const { bytes, wireBytes } = result
  const milliseconds = now().getTime() - started
  reporter.event({
    type: 'archive-finished',
    ...names,
    bytes,
    plainBytes: result.plainBytes,
    wireBytes,
    milliseconds,
  })
  return result
}

/** The source's own observer sees what it wants; `add` takes every member. */
function observeInto(archive: CaptureArchive, add: (entry: ReadEntry) => void): ArchiveObserver {
  return {
    ...archive.observer,
    entry: (entry) => {
      archive.observer.entry?.(entry)
      add(entry)
    },
    ...(archive.observer.tap === undefined ? {} : { tap: archive.observer.tap.bind(archive.observer) }),
  }
}

/**
 * Chooses between the error of the pipe and that of the remote side. A full local disk, a lost connection or an
 * interruption is the cause itself. A stream that broke off is explained by the exit status behind it.
 */
async function explain(error: unknown, archive: CaptureArchive): Promise<unknown> {
  const isCause =
    error instanceof VaultError || error instanceof ConnectionError || error instanceof InterruptedError
  const remote: unknown = await archive.finish().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return isCause || !(remote instanceof RelayError) ? error : remote
}

/**
 * Adds to the error of a full vault how much room is missing, by the source's last full archives; where there are none,
 * what the source holds. Returns any other error as it is.
 */
async function withMissing(
  error: unknown,
  {
    context,
    config,
    plainBytes,
    knownBytes,
  }: {
    readonly context: PullSourceContext
    readonly config: SourceConfig
    readonly plainBytes: number
    readonly knownBytes: number | undefined
  },
  { vault }: PullDependencies,
): Promise<unknown> {
  if (!(error instanceof VaultError) || error.code !== 'disk-full') return error
  // The full disk is told without an estimate, then.
  const snapshots = await vault.snapshots(context.host.name).catch(() => [])
  const last = snapshots
    .flatMap(({ manifest }) => manifest.sources)
    .findLast(({ name, mode }) => name === config.name && mode === 'full')
  const sum = (of: (archive: ManifestArchive) => number) =>
    (last?.archives ?? []).reduce((total, archive) => total + of(archive), 0)
  const plain = sum((archive) => archive.plainBytes)
  // The rest is taken to compress as well as it did then.
  const missing = sum(({ bytes }) => bytes) * (1 - plainBytes / plain)
  const left = knownBytes === undefined ? 0 : knownBytes - plainBytes
  const come =
    missing > 0
      ? `about ${formatSize(missing)} of ${config.name} are still to come`
      : left > 0
        ? `${config.name} holds ${formatSize(knownBytes ?? 0)}, of which ${formatSize(left)} are still to come, before compression`
        : undefined
  if (come === undefined) return error
  return new VaultError(error.code, `${error.message}: ${come}`, { ...error.details, cause: error })
}

/** Encrypts text that we made ourselves, an index or a script, into a file of the pending snapshot. */
export async function writeOwnFile(
  context: PullSourceContext,
  name: string,
  content: { readonly stream: Readable; readonly store: Compression },
  { encryptor, writeArchive }: PullDependencies,
): Promise<ManifestFile> {
  const file = await createFile(context, name)
  const result = await writeArchive(
    { ...content, format: 'stream', wire: 'none' },
    { encryptor, sink: { stream: file.stream }, signal: context.signal },
  )
  await finishFile(file, result.bytes)
  const { bytes, sha256, body } = result
  return { file: name, bytes, recipients: encryptor.recipients, sha256, body }
}

async function createFile(context: PullSourceContext, name: string): Promise<PendingFile> {
  const file = await context.pending.createFile(name)
  context.files.push(file)
  return file
}

async function finishFile(file: PendingFile, written: number): Promise<void> {
  const { bytes } = await file.finish()
  if (bytes === written) return
  throw new VaultError(
    'short-write',
    `${file.name} has ${formatCount(bytes, 'byte')} on disk, ${formatCount(written, 'was', 'were')} written`,
    {
      next: "Check the vault's file system, then pull again.",
    },
  )
}

/** The first line of a source's index. */
export function indexHeader(
  context: PullSourceContext,
  config: SourceConfig,
  { roots, paths }: CaptureOutcome,
): IndexHeader {
  const links = roots.map(({ path, link }) => ({ path: pathToJson(path), link: pathToJson(link) }))
  return {
    format: 1,
    source: config.name,
    snapshot: context.pending.id,
    paths: pathsInArchive(paths ?? kindOf(config.kind).paths(config), context.probe.deployment),
    ...(links.length === 0 ? {} : { roots: links }),
  }
}

/** The source's paths as its members are named: a path inside the deployment is relative to it. */
function pathsInArchive(paths: readonly string[], deployment: string | undefined): string[] {
  return paths.map((path) =>
    deployment !== undefined && path.startsWith(`${deployment}/`) ? path.slice(deployment.length + 1) : path,
  )
}

export function captureContext(
  context: PullSourceContext,
  config: SourceConfig,
  { reporter, resolveSecret, createSorter }: PullDependencies,
): PullContext {
  const { host, remote, probe, privilege, signal } = context
  const names = { host: host.name, source: config.name }
  return {
    host: remote,
    probe,
    privilege,
    compression: host.compression,
    secret: resolveSecret,
    packTar,
    createSorter: <T>() => createSorter<T>(context.pending.scratchPath(`${config.name}.sorting`)),
    findContainer: containerFinder(context, probe.deployment),
    step: (step) => reporter.event({ type: 'source-step', ...names, step: printable(step) }),
    notice: (notice) => {
      const next = notice.code === UNREADABLE ? nextWithRefusal(notice.next, context.refused) : notice.next
      reporter.event({ type: 'warning', ...names, ...notice, ...(next === undefined ? {} : { next }) })
    },
    note: (notice) => reporter.event({ type: 'note', ...names, ...notice }),
    signal,
  }
}
