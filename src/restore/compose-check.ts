import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { RemoteError } from '../errors.ts'
import { decodeText, encodeBytes, encodeField, fieldLine, fieldLines, fieldsOf } from '../model/talk.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { ComposeServices, MadeServices, ServerServices } from '../model/server-services.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import { refuse } from '../runs/refusal.ts'
import type { RestorePlacement } from './server/driver.ts'

/** The paths that are going to be put in place, and where they lie until then. */
type StagedUnit = Pick<RestorePlacement['units'][number], 'target' | 'staged'>

/** How many characters of Compose's message are shown. */
const LONGEST = 400
/** Stands for the directory that sent files are in: `sent:/0` is the first of them. */
export const SENT = 'sent:'
/** Bytes of a file that go in one line to the server: four characters stand for a byte that is not plain. */
const PIECE = 900

/** Files of a snapshot that go to the server for a question to Compose. */
interface SentFiles {
  /** Absolute. */
  readonly deployment: string
  /** By their names below {@link SENT}, parted by slashes. */
  readonly contents: ReadonlyMap<string, Buffer>
  /** An absolute directory. What of it Compose reads unasked lies beside what is sent. */
  readonly over?: string | undefined
}

/** What Compose would make of a project's files. */
interface Reading {
  /** `docker-compose`. */
  readonly tool: string
  /** By service; undefined when Compose can't read the files: `said` has the reason. */
  readonly hashes: ReadonlyMap<string, string> | undefined
  readonly said: string
  /** True when another path that Compose may read is not what it was. */
  readonly other: boolean
}

/** How a project's files are read; see {@link checkCompose}. */
interface CheckOptions {
  /** The services that run and would be made anew. */
  readonly made: MadeServices | undefined
  /** The services among them that the files on the server would make otherwise already. */
  readonly changed: readonly string[]
  /** The user accepts what Compose makes of the files, whatever runs. */
  readonly acceptChanges: boolean
  /** The Compose that used the snapshot's files, for the message: `1.29.2`. */
  readonly recorded: string | undefined
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/**
 * Has the target's Compose read a project's files as they will be, while they are still staged. Does nothing where
 * none is started anew. Throws {@link refuse} of what {@link judgeCompose} finds against that. Resolves with what was accepted of it.
 */
export async function checkCompose(
  remote: RemoteHost,
  services: ServerServices,
  units: readonly StagedUnit[],
  options: CheckOptions,
): Promise<readonly Finding[]> {
  const findings = await judgeCompose(remote, services, units, options)
  refuse(findings, { host: remote.name, next: 'Nothing was stopped.' })
  return findings
}

/**
 * What the target's Compose says of a project's files as they will be. A failed finding is `compose-refused` when it
 * can't read them: its services would not start; and `compose-changes` when it would make services otherwise than they
 * run, and neither what is on the server nor what is restored says so: a variable of the shell that started them does.
 * Changes nothing. Throws RemoteError.
 */
export async function judgeCompose(
  remote: RemoteHost,
  services: ServerServices,
  units: readonly StagedUnit[],
  options: CheckOptions & { readonly sent?: SentFiles },
): Promise<readonly Finding[]> {
  if (services.manager !== 'compose') return []
  const staged = stagedArguments(services, units)
  const { made, changed, recorded } = options
  const compared = made?.services.filter(({ name }) => changed.includes(name)) ?? []
  if (staged === undefined && compared.length === 0) return []
  const unseen = units.filter(({ target }) => made?.unseen.some((path) => path === target))
  const args = staged?.args ?? services.args
  const names = compared.map(({ name }) => name)
  const reading = await readCompose(remote, { project: services.project, args, names, unseen }, options)
  const refused = staged && refusedFinding(remote, reading, staged.replaced, recorded)
  if (refused !== undefined) return [refused]
  // The services may have been made from what is put in place.
  const unexplained = reading.other ? [] : compared.filter((one) => !isMadeSo(one, reading.hashes))
  if (unexplained.length === 0) return []
  const message = `${describeServices(unexplained)} would not be made as it runs on ${remote.name}: neither the files there nor those of the snapshot say how it was made, so a variable of the shell that started it does, or an image that has changed since`
  if (options.acceptChanges) return [{ check: 'compose-changes', outcome: 'warning', message }]
  return [
    {
      check: 'compose-changes',
      outcome: 'failed',
      message,
      next: 'Nothing was stopped. Write such variables into the .env there and run docker compose up -d (or docker-compose up -d), or add --accept-changes.',
    },
  ]
}

/**
 * The running services that Compose would make otherwise now, by the files as they are on the server. A file that
 * Compose can't read is not what they were made from either. Throws RemoteError.
 */
export async function changedServices(
  remote: RemoteHost,
  services: ServerServices,
  made: MadeServices | undefined,
  options: Pick<CheckOptions, 'privilege' | 'signal'>,
): Promise<readonly string[]> {
  if (services.manager !== 'compose' || made === undefined || made.services.length === 0) return []
  const { project, args } = services
  const names = made.services.map(({ name }) => name)
  const { hashes } = await readCompose(remote, { project, args, names, unseen: [] }, options)
  return made.services.filter((one) => !isMadeSo(one, hashes)).map(({ name }) => name)
}

function isMadeSo(
  { name, hashes }: MadeServices['services'][number],
  now: ReadonlyMap<string, string> | undefined,
): boolean {
  return hashes.every((hash) => hash === now?.get(name))
}

function describeServices(services: MadeServices['services']): string {
  return services.map(({ name, image }) => `${printable(name)} (of ${printable(image)})`).join(', ')
}

async function readCompose(
  remote: RemoteHost,
  asked: {
    readonly project: string
    readonly args: readonly string[]
    readonly names: readonly string[]
    readonly unseen: readonly StagedUnit[]
  },
  {
    sent,
    ...options
  }: Pick<CheckOptions, 'privilege' | 'signal'> & { readonly sent?: SentFiles | undefined },
): Promise<Reading> {
  const title = 'having Compose read its files'
  const pairs = asked.unseen.flatMap(({ target, staged }) => [String(target), String(staged)])
  const args = [asked.project, asked.names.join(','), String(pairs.length / 2), ...pairs, ...asked.args]
  const { status, stderr, records } = await (sent === undefined
    ? askInPlace(remote, title, args, options)
    : askAhead(remote, title, args, { sent, ...options }))
  const valueOf = (word: string) => records.find(([verb]) => verb === word)?.[1]
  const tool = valueOf('tool')
  if (status === 4) {
    throw new RemoteError(
      'compose-missing',
      `Neither docker compose nor docker-compose is on ${remote.name}`,
      {
        host: remote.name,
        next: 'Nothing was replaced. Install the Compose plugin there.',
      },
    )
  }
  if ((status !== 0 && status !== 3) || tool === undefined) {
    const why = valueOf('failed')
    throw new RemoteError(
      'compose-unknown',
      `Compose on ${remote.name} can't be asked to read its files${why === undefined ? '' : `: ${printable(why)}`}`,
      {
        host: remote.name,
        command: title,
        exitStatus: status,
        stderr,
        next: 'Nothing was replaced. Try there: docker compose version',
      },
    )
  }
  const hashes = records.flatMap(([verb, name, hash]) =>
    verb === 'hash' ? [[name ?? '', hash ?? ''] as const] : [],
  )
  const place = valueOf('place')
  const said = decodeText(valueOf('said')).replaceAll('\n', ' ')
  return {
    tool,
    hashes: status === 0 ? new Map(hashes) : undefined,
    said: place === undefined ? said : said.replaceAll(decodeText(place), SENT),
    other: records.some(([verb]) => verb === 'other'),
  }
}

/** What a script that asks Compose has answered. */
interface Answer {
  readonly status: number
  readonly stderr: string
  readonly records: readonly (readonly string[])[]
}

/** Of files that lie on the server. */
async function askInPlace(
  remote: RemoteHost,
  title: string,
  args: readonly string[],
  { privilege, signal }: Pick<CheckOptions, 'privilege' | 'signal'>,
): Promise<Answer> {
  const result = await remote.run(
    { script: 'restore/compose-check', patience: 'work', args, privilege, title },
    { signal },
  )
  return { ...result, records: fieldLines(result.stdout) }
}

/** Of files that go there for this question, and are gone with the answer. */
async function askAhead(
  remote: RemoteHost,
  title: string,
  args: readonly string[],
  { sent, privilege, signal }: Pick<CheckOptions, 'privilege' | 'signal'> & { readonly sent: SentFiles },
): Promise<Answer> {
  const id = randomBytes(6).toString('hex')
  const all = [sent.deployment, id, sent.over ?? '', ...args]
  await using lease = await remote.lease(
    { script: 'restore/compose-ahead', patience: 'work', args: all, privilege, title },
    { signal },
  )
  for (const [name, content] of sent.contents) {
    lease.send(fieldLine('file', encodeField(name)))
    for (let at = 0; at < content.length; at += PIECE)
      lease.send(fieldLine('bytes', encodeBytes(content.subarray(at, at + PIECE))))
  }
  lease.send('judge')
  const records: (readonly string[])[] = []
  for (let line = await lease.nextLine(signal); line !== undefined; line = await lease.nextLine(signal))
    records.push(fieldsOf(line))
  return { ...(await lease.release()), records }
}

/** What refuses files that Compose can't read; undefined where it can, or can't be sure before they are in place. */
function refusedFinding(
  remote: RemoteHost,
  { tool, hashes, said }: Reading,
  replaced: readonly { readonly from: string; readonly to: string }[],
  recorded: string | undefined,
): Finding | undefined {
  if (hashes !== undefined) return undefined
  const text = replaced.reduce((all, { from, to }) => all.replaceAll(from, to), said).trim()
  // Files that these name may be restored with them. Compose sees those only when they are in place.
  if (/not found|couldn't find|no such file|does not exist/i.test(text)) return undefined
  const had = recorded === undefined ? '' : ` (the snapshot's server had ${printable(recorded)})`
  return {
    check: 'compose-refused',
    outcome: 'failed',
    message: `${tool} on ${remote.name} can't read the restored ${replaced.map(({ to }) => printable(to)).join(', ')}: ${printable(text.slice(0, LONGEST))}`,
    next: `Nothing was replaced. Install a Compose there that can${had}, or restore without these files: name the others with --source.`,
  }
}

/**
 * What the target's Compose says of files that are sent, where nothing of the project is there: it finds them by itself,
 * in a directory that looks as `directory` will. Changes nothing. Throws RemoteError.
 */
export async function judgeFresh(
  remote: RemoteHost,
  project: string,
  { directory, file, contents }: FreshProject,
  options: Pick<CheckOptions, 'recorded' | 'privilege' | 'signal'> & { readonly deployment: string },
): Promise<Finding | undefined> {
  const { deployment, recorded } = options
  const args = [
    ...(project === '' ? [] : ['--project-name', project]),
    ...['--project-directory', SENT],
    ...(file === undefined ? [] : ['--file', `${SENT}/${file}`]),
  ]
  const sent = { deployment, contents, over: directory }
  const reading = await readCompose(remote, { project, args, names: [], unseen: [] }, { ...options, sent })
  const replaced = [...contents.keys()].map((name) => ({
    from: `${SENT}/${name}`,
    to: posix.join(directory, name),
  }))
  return refusedFinding(remote, reading, replaced, recorded)
}

/** The files of a project that is not there yet. */
interface FreshProject {
  /** Where they will lie, absolute. */
  readonly directory: string
  /** The configured file. */
  readonly file: string | undefined
  readonly contents: ReadonlyMap<string, Buffer>
}

/** Whether one of these paths is, or holds, what a project's services are made from. */
export function renewsServices(services: ServerServices, targets: readonly string[]): boolean {
  const units = targets.map((target) => ({ target, staged: `${target}.staged` }))
  return services.manager === 'compose' && stagedArguments(services, units) !== undefined
}

/** Compose's arguments with each file in its staged place; undefined when none is staged. */
export function stagedArguments(
  { args }: Pick<ComposeServices, 'args'>,
  units: readonly StagedUnit[],
):
  | {
      readonly args: readonly string[]
      readonly replaced: readonly { readonly from: string; readonly to: string }[]
    }
  | undefined {
  const replaced: { from: string; to: string }[] = []
  const place = (path: string): string => {
    for (const { target, staged } of units) {
      // A name that is no text can't be an argument of Compose.
      if (typeof target !== 'string' || typeof staged !== 'string') continue
      if (path !== target && !path.startsWith(`${target}/`)) continue
      const from = staged + path.slice(target.length)
      replaced.push({ from, to: path })
      return from
    }
    return path
  }
  const value = (flag: string) => args[args.indexOf(flag) + 1] ?? ''
  const moved = args.map((arg, at) =>
    ['--file', '--env-file'].includes(args[at - 1] ?? '') ? place(arg) : arg,
  )
  if (!args.includes('--env-file') && args.includes('--project-directory')) {
    const env = posix.join(value('--project-directory'), '.env')
    const staged = place(env)
    if (staged !== env) moved.push('--env-file', staged)
  }
  return replaced.length === 0 || !args.includes('--file') ? undefined : { args: moved, replaced }
}
