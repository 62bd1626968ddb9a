import type { ArchiveObserver, ArchiveResult } from '../archive/contract.ts'
import type { Encryptor } from '../crypto/contract.ts'
import { ConnectionError, InterruptedError, RelayError, SourceError, VaultError } from '../errors.ts'
import type { HostConfig, SourceConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import { pathToJson } from '../model/path-bytes.ts'
import type { ManifestArchive, ManifestIndex, ManifestSource } from '../model/snapshot.ts'
import type { HostProbe, RemoteHost } from '../remote/contract.ts'
import type {
  CapturableSource,
  Capture,
  CaptureArchive,
  CaptureContext,
  CaptureOutcome,
} from '../sources/contract.ts'
import type { PendingFile, PendingSnapshot } from '../vault/contract.ts'
import type { IndexBuilder } from '../archive/contract.ts'
import { archiveFileName, indexFileName } from './archive-name.ts'
import type { PullDependencies } from './dependencies.ts'
import { describePrivilege, privilegeToRead, withRefusal, type ChosenPrivilege } from './privilege.ts'

/** A source that was captured, read back and written into the pending snapshot. */
export interface PulledSource {
  readonly manifest: ManifestSource
  readonly wireBytes: number
}

/** Where a source is captured from and to. */
export interface PullSourceContext {
  readonly host: HostConfig
  readonly remote: RemoteHost
  readonly probe: HostProbe
  readonly pending: PendingSnapshot
  readonly signal: AbortSignal
}

/**
 * Captures one source into the pending snapshot: every archive streamed, read back and judged, then the index.
 * Throws a RelayError when the source can't be trusted; its files are gone from the pending snapshot then, and
 * what the capture changed on the server is put back either way.
 */
export async function pullSource(
  context: PullSourceContext,
  config: SourceConfig,
  dependencies: PullDependencies,
): Promise<PulledSource> {
  const files: PendingFile[] = []
  let chosen: ChosenPrivilege | undefined
  try {
    const { findHelper } = dependencies
    chosen = await privilegeToRead({ ...context, findHelper }, config)
    return await captureInto({ ...context, privilege: chosen.privilege }, config, dependencies, files)
  } catch (error) {
    await Promise.allSettled(files.map((file) => file.discard()))
    throw located(withRefusal(error, chosen), context.host.name, config.name)
  }
}

/** A source whose way of being read is chosen. */
type ChosenContext = PullSourceContext & Pick<ChosenPrivilege, 'privilege'>

async function captureInto(
  context: ChosenContext,
  config: SourceConfig,
  dependencies: PullDependencies,
  files: PendingFile[],
): Promise<PulledSource> {
  const { pending, signal } = context
  const source = await dependencies.sourceOf(config.kind)
  const how = captureContext(context, config, dependencies)
  const asWhom = describePrivilege(context.privilege)
  if (asWhom !== undefined) how.step(`reading it ${asWhom}`)
  await using capture = await begin(source, how, config, dependencies)
  await using index = await dependencies.createIndexBuilder(pending.scratchPath(`${config.name}.entries`))

  const archives: ManifestArchive[] = []
  let wireBytes = 0
  let format: ManifestSource['format'] = 'tar'
  for await (const archive of capture.archives()) {
    const file = await pending.createFile(archiveFileName(config.name, archive, archive.input.store))
    files.push(file)
    format = archive.format
    const result = await streamArchive(context, config, archive, { file, index }, dependencies)
    wireBytes += result.wireBytes
    archives.push(manifestArchive(file.name, archive.input.store, result, dependencies.encryptor))
  }
  const outcome = await capture.finish()
  if (archives.length === 0) throw new SourceError('nothing-captured', 'the capture gave no archive')

  const written =
    format === 'tar'
      ? await writeIndex(context, config, { capture, index, outcome, files }, dependencies)
      : undefined
  signal.throwIfAborted()
  return {
    wireBytes,
    manifest: {
      name: config.name,
      kind: config.kind,
      format,
      mode: 'full',
      parents: [],
      archives,
      index: written?.manifest,
      entries: written?.entries ?? 0,
      facts: outcome.facts,
      warnings: outcome.warnings,
    },
  }
}

/** Starts the capture in the way that the server allows. */
async function begin(
  source: CapturableSource,
  context: CaptureContext,
  config: SourceConfig,
  { packTar }: PullDependencies,
): Promise<Capture> {
  if (context.probe.access === 'shell') return source.capture(context, config)
  if (source.captureOverSftp !== undefined) return source.captureOverSftp({ ...context, packTar }, config)
  throw new SourceError(
    'needs-shell',
    `a ${config.kind} source needs a shell on the server: it is SFTP only`,
    {
      next: 'Connect as a user who has a shell, or name the sources of this host in the config without this one.',
    },
  )
}

/** One archive through the pipe and to the disk; both ends of it are judged. */
async function streamArchive(
  context: PullSourceContext,
  config: SourceConfig,
  archive: CaptureArchive,
  to: { readonly file: PendingFile; readonly index: IndexBuilder },
  dependencies: PullDependencies,
): Promise<ArchiveResult> {
  const { reporter, writeArchive, encryptor, throttle, now } = dependencies
  const names = { host: context.host.name, source: config.name, archive: to.file.name }
  const started = now().getTime()
  let result: ArchiveResult
  try {
    result = await writeArchive(
      { ...archive.input, stream: throttle(archive.input.stream) },
      {
        encryptor,
        sink: { stream: to.file.stream },
        observer: observeInto(archive, to),
        onProgress: (progress) =>
          reporter.event({
            type: 'archive-progress',
            ...names,
            ...progress,
            expectedPlainBytes: archive.expectedPlainBytes,
          }),
        signal: context.signal,
      },
    )
  } catch (error) {
    archive.abort()
    throw await explain(error, archive)
  }
  await archive.finish()
  const { bytes } = await to.file.finish()
  if (bytes !== result.bytes) {
    throw new VaultError(
      'short-write',
      `${to.file.name} has ${bytes} bytes on disk, ${result.bytes} were written`,
      {
        next: "Check the vault's file system, then pull again.",
      },
    )
  }
  reporter.event({
    type: 'archive-finished',
    ...names,
    bytes,
    plainBytes: result.plainBytes,
    wireBytes: result.wireBytes,
    milliseconds: now().getTime() - started,
  })
  return result
}

/** The source's own observer sees what it wants; the index takes every member. */
function observeInto(
  archive: CaptureArchive,
  to: { readonly file: PendingFile; readonly index: IndexBuilder },
): ArchiveObserver {
  return {
    ...archive.observer,
    entry: (entry) => {
      archive.observer.entry?.(entry)
      to.index.add(entry, { part: archive.part, archive: to.file.name })
    },
    ...(archive.observer.tap === undefined ? {} : { tap: archive.observer.tap.bind(archive.observer) }),
  }
}

/**
 * Of the pipe's error and the remote side's, the one that says more: a full local disk, a lost connection or an
 * interruption is the cause itself; a stream that broke off is explained by the exit status behind it.
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

async function writeIndex(
  context: PullSourceContext,
  config: SourceConfig,
  from: {
    readonly capture: Capture
    readonly index: IndexBuilder
    readonly outcome: CaptureOutcome
    readonly files: PendingFile[]
  },
  dependencies: PullDependencies,
): Promise<{ readonly manifest: ManifestIndex; readonly entries: number }> {
  const { outcome, index } = from
  const absolute = outcome.absolutePrefixes
  let entries = 0
  const lines = index.finish(
    {
      format: 1,
      source: config.name,
      snapshot: context.pending.id,
      paths: pathsInArchive(config, context.probe.deployment),
      ...(outcome.roots.length === 0
        ? {}
        : {
            roots: outcome.roots.map((root) => ({
              path: pathToJson(root.path),
              link: pathToJson(root.link),
            })),
          }),
    },
    (part, path) => {
      const name = path.toString('latin1')
      const amendment = outcome.amendments.get(`${part}\0${name}`) ?? outcome.amendments.get(name)
      if (amendment?.replacedBy !== undefined && amendment.replacedBy !== part) return { drop: true }
      entries += 1
      const isAbsolute = absolute.some((prefix) => name === prefix || name.startsWith(`${prefix}/`))
      const flags = [...(amendment?.flags ?? []), ...(isAbsolute ? (['absolute'] as const) : [])]
      return flags.length === 0 ? undefined : { flags }
    },
  )
  const file = await context.pending.createFile(indexFileName(config.name))
  from.files.push(file)
  const result = await dependencies.writeArchive(
    { stream: lines, format: 'stream', wire: 'none', store: 'zstd' },
    { encryptor: dependencies.encryptor, sink: { stream: file.stream }, signal: context.signal },
  )
  const { bytes } = await file.finish()
  return { manifest: { file: file.name, bytes, sha256: result.sha256 }, entries }
}

/** The source's paths as its members are named: what lies inside the deployment is relative to it. */
function pathsInArchive(config: SourceConfig, deployment: string | undefined): string[] {
  const paths = config.kind === 'redis' ? [config.path] : config.paths
  return paths.map((path) =>
    deployment !== undefined && path.startsWith(`${deployment}/`) ? path.slice(deployment.length + 1) : path,
  )
}

function manifestArchive(
  file: string,
  compression: ManifestArchive['compression'],
  result: ArchiveResult,
  encryptor: Encryptor,
): ManifestArchive {
  const { bytes, plainBytes, sha256 } = result
  return { file, bytes, plainBytes, sha256, compression, recipients: encryptor.recipients }
}

function captureContext(
  context: ChosenContext,
  config: SourceConfig,
  { reporter, resolveSecret }: PullDependencies,
): CaptureContext {
  const names = { host: context.host.name, source: config.name }
  return {
    host: context.remote,
    probe: context.probe,
    privilege: context.privilege,
    compression: context.host.compression,
    secret: resolveSecret,
    step: (step) => reporter.event({ type: 'source-step', ...names, step: printable(step) }),
    notice: (notice) => reporter.event({ type: 'warning', ...names, ...notice }),
    signal: context.signal,
  }
}

/** The error with its host and source; a defect keeps its own class and stack. */
function located(error: unknown, host: string, source: string): unknown {
  return error instanceof RelayError ? error.withDetails({ host, source }) : error
}
