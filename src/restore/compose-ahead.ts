import { posix } from 'node:path'
import type { Finding } from '../model/finding.ts'
import { pathFromJson } from '../model/path-bytes.ts'
import { judgeCompose, SENT } from './compose-check.ts'
import { sourceIndex } from './contents.ts'
import type { RestoreDependencies } from './dependencies.ts'
import type { SourceToRestore } from './plan.ts'
import type { Preflight, RestoreRequest } from './preflight.ts'
import { readFiles } from './read-files.ts'
import { recordedCompose } from './versions.ts'

/** What Compose reads is short. Bytes of a file that is sent for it. */
const LONGEST = 1024 * 1024

/** A file of the snapshot that Compose may read when it is in its place. */
interface SmallFile {
  readonly from: SourceToRestore
  /** Member in latin1. */
  readonly member: string
  readonly target: string
}

/**
 * Judges before anything is staged what the target's Compose would make of the snapshot's files: those that it reads go
 * from the archive into a private directory there, and are gone with the answer. Resolves with the findings of the plan,
 * those of this judgement among them. They stay as they were where that can be told only when all of it is staged.
 * Throws RemoteError, and DamageError for an archive that can't be read.
 */
export async function judgeAhead(
  { plan, sources, found, changed, place }: Preflight,
  { snapshot, acceptChanges }: RestoreRequest,
  dependencies: RestoreDependencies,
): Promise<readonly Finding[]> {
  const { services, made } = found
  if (services.manager !== 'compose' || made === undefined || made.services.length === 0) return plan.findings
  const { signal, privilege } = place
  const unseen = plan.units.filter(({ target, onlyAside }) => !onlyAside && made.unseen.includes(target))
  const targets = [...composeFiles(services.args), ...unseen.map(({ target }) => target)]
  const wanted = [...new Set(targets)].flatMap((target): SmallFile[] => {
    const unit = plan.units.find((one) => !one.onlyAside && isWithin(target, one.target))
    const from = sources.find(({ source }) => source.name === unit?.source)
    if (unit === undefined || from === undefined) return []
    const member = Buffer.from(unit.member + target.slice(unit.target.length)).toString('latin1')
    return [{ from, member, target }]
  })
  const contents = await readSmall(wanted, snapshot, dependencies, signal)
  if (contents === undefined) return plan.findings
  const units = wanted.map(({ target }, at) => ({ target, staged: `${SENT}/${at}` }))
  const judged = await judgeCompose(place.remote, services, units, {
    made,
    changed,
    acceptChanges,
    recorded: recordedCompose(snapshot.manifest.server),
    privilege,
    signal,
    sent: { deployment: place.deployment, contents },
  })
  return [...plan.findings.filter(({ check }) => check !== 'compose-changes'), ...judged]
}

/** The files that Compose is led to. */
function composeFiles(args: readonly string[]): readonly string[] {
  const values = (flag: string) => args.filter((_arg, at) => args[at - 1] === flag)
  const own = values('--env-file')
  const env = own.length > 0 ? own : values('--project-directory').map((path) => posix.join(path, '.env'))
  return [...values('--file'), ...env]
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

/** The content of each; undefined when one is no file, is too long, is damaged, or is not there. Throws DamageError. */
async function readSmall(
  files: readonly SmallFile[],
  snapshot: RestoreRequest['snapshot'],
  { pull, decryptor, openArchive }: RestoreDependencies,
  signal: AbortSignal,
): Promise<readonly Buffer[] | undefined> {
  const parts = { vault: pull.vault, decryptor, openArchive }
  const filePath = pull.vault.filePath.bind(pull.vault)
  const contents = new Map<SmallFile, Buffer>()
  for (const from of new Set(files.map((file) => file.from))) {
    const { source } = from
    const own = files.filter((file) => file.from === from)
    const sizes = new Map<string, number>()
    for await (const { path, type, size } of sourceIndex(snapshot, source, { ...parts, filePath })) {
      const name = pathFromJson(path).toString('latin1')
      if (type === 'file' && own.some(({ member }) => member === name)) sizes.set(name, size)
    }
    if (own.some(({ member }) => (sizes.get(member) ?? Infinity) > LONGEST)) return undefined
    let pieces: Buffer[] = []
    for await (const piece of readFiles({ snapshot, source }, new Set(sizes.keys()), parts, signal)) {
      if (piece.kind === 'begin') pieces = []
      else if (piece.kind === 'bytes') pieces.push(Buffer.from(piece.bytes))
      else {
        const member = piece.entry.path.toString('latin1')
        // Damage is told by what unpacks all of it.
        if (!piece.proven) return undefined
        for (const file of own) if (file.member === member) contents.set(file, Buffer.concat(pieces))
      }
    }
  }
  const all = files.flatMap((file) => contents.get(file) ?? [])
  return all.length === files.length ? all : undefined
}
