import { RemoteError } from '../errors.ts'
import type { Discovery, FilePattern } from '../model/discovery.ts'
import { decodeText, wholeRecords, type TalkRecord } from '../model/talk.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'

/** Seconds that one look may take on the server. */
const SECONDS = 20

/** What is looked for besides places and sizes. */
export interface Wanted {
  /** Programs that may run on the server itself. */
  readonly programs: readonly string[]
  readonly files: readonly FilePattern[]
}

/** Where an app may be. */
export interface Places {
  /** Directories with a Compose file. */
  readonly apps: readonly string[]
  /** Services of systemd that run, by the directory they work in. */
  readonly units: readonly { readonly name: string; readonly directory: string }[]
}

interface Asked {
  readonly privilege: Privilege | undefined
  readonly signal: AbortSignal
}

/** Looks where on a server an app may be. Changes nothing there. Throws RemoteError `discovery`. */
export async function findPlaces(host: RemoteHost, options: Asked): Promise<Places> {
  return parsePlaces(await ask(host, ['-'], options))
}

/**
 * Looks at an app's directory: what lies there and how big it is. Changes nothing. `sizesOf` are further paths whose sizes
 * are wanted. Undefined when there is no such directory, or the user may not enter it. Throws RemoteError `discovery`.
 */
export async function lookAtApp(
  host: RemoteHost,
  question: Wanted & { readonly directory: string; readonly sizesOf: readonly string[] },
  options: Asked,
): Promise<(Omit<Discovery, 'containers'> & { readonly isCut: boolean }) | undefined> {
  const words = [
    ...question.programs.flatMap((name) => ['program', name]),
    ...question.files.flatMap(({ name, begins }) => ['file', name, begins ?? '-']),
    ...question.sizesOf.flatMap((path) => ['size', path]),
  ]
  const records = await ask(host, [question.directory, ...words], options, 3)
  return records === undefined ? undefined : parseApp(records)
}

async function ask(host: RemoteHost, args: readonly string[], options: Asked): Promise<readonly TalkRecord[]>
async function ask(
  host: RemoteHost,
  args: readonly string[],
  options: Asked,
  absent: number,
): Promise<readonly TalkRecord[] | undefined>
async function ask(
  host: RemoteHost,
  args: readonly string[],
  { privilege, signal }: Asked,
  absent?: number,
): Promise<readonly TalkRecord[] | undefined> {
  const title = 'looking what is on the server'
  const { status, stdout, stderr } = await host.run(
    { script: 'init/discover', args: [String(SECONDS), ...args], privilege, patience: 'list', title },
    { signal },
  )
  if (status === absent) return undefined
  const records = status === 0 ? wholeRecords(stdout) : undefined
  if (records !== undefined) return records
  throw new RemoteError('discovery', `What is on ${host.name} can't be looked at`, {
    host: host.name,
    command: title,
    exitStatus: status,
    stderr,
    next: 'Write the config by hand, from hosts.example.yaml; relay-backup check says what is missing',
  })
}

export function parsePlaces(records: readonly TalkRecord[]): Places {
  return {
    apps: [...new Set(valuesOf(records, 'app').map(([directory]) => directory ?? ''))],
    units: valuesOf(records, 'unit').map(([name = '', directory = '']) => ({ name, directory })),
  }
}

export function parseApp(
  records: readonly TalkRecord[],
): Omit<Discovery, 'containers'> & { readonly isCut: boolean } {
  return {
    deployment: valuesOf(records, 'real')[0]?.[0] ?? '',
    entries: valuesOf(records, 'entry').map(([name = '', type, kib]) => ({
      name,
      isDirectory: type === 'd',
      bytes: bytesOf(kib),
    })),
    programs: valuesOf(records, 'program').map(([name = '', directory = '', address = '']) => ({
      name,
      directory: directory === '' ? undefined : directory,
      address: address === '' ? undefined : address,
    })),
    files: valuesOf(records, 'file').map(([path = '', kib, begins = '']) => ({
      path,
      bytes: bytesOf(kib) ?? 0,
      begins: begins === '-' ? undefined : begins,
    })),
    sizes: new Map(
      valuesOf(records, 'size').flatMap(([path = '', kib]) => {
        const bytes = bytesOf(kib)
        return bytes === undefined ? [] : [[path, bytes] as const]
      }),
    ),
    isCut: records.some(([verb]) => verb === 'cut'),
  }
}

function valuesOf(records: readonly TalkRecord[], verb: string): readonly (readonly string[])[] {
  return records.filter(([first]) => first === verb).map(([, ...values]) => values.map(decodeText))
}

function bytesOf(kib: string | undefined): number | undefined {
  return kib === undefined || kib === '' ? undefined : Number(kib) * 1024
}
