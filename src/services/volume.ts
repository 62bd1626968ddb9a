import { RemoteError, SourceError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { FindVolume } from './contract.ts'
import { answerLines, insistOnEngine } from './docker-answer.ts'
import { nearest } from './nearest.ts'

/** What Docker's own inspect has of a volume. */
interface Inspected {
  readonly Name: string
  readonly Driver: string
  readonly Mountpoint: string
  readonly Labels: Readonly<Record<string, string>> | null
  readonly Options: Readonly<Record<string, string>> | null
}

/** See {@link FindVolume}. */
export const findVolume: FindVolume = async (host, volume, { deployment, privilege, signal }) => {
  const title = `looking for the volume ${volume}`
  const result = await host.run(
    { script: 'services-volume-look', patience: 'list', args: [volume, deployment], privilege, title },
    { signal },
  )
  return parseVolumeLook(host.name, volume, result.stdout)
}

/** Reads what services-volume-look.sh prints. Throws as {@link FindVolume} does. */
export function parseVolumeLook(
  host: string,
  volume: string,
  stdout: Buffer,
): { readonly name: string; readonly mountpoint: string } {
  const lines = answerLines(stdout)
  insistOnEngine(host, lines)
  const of = (verb: string) =>
    lines.filter((line) => line[0] === verb).map((line) => line.slice(1).join('\t'))
  if (!lines.some(([verb]) => verb === 'end')) {
    throw new RemoteError('docker-failed', `What Docker on ${host} says is cut short`, {
      host,
      next: 'Run it again.',
    })
  }
  const found = of('volume').map((json) => JSON.parse(json) as Inspected)
  const projects = of('project')
  const ours = found.filter(({ Labels }) => projects.includes(Labels?.['com.docker.compose.project'] ?? ''))
  const [one, second] = ours.length > 0 ? ours : found
  if (one === undefined) throw missing(host, volume, of('other'))
  if (second !== undefined) {
    throw new SourceError(
      'volume-ambiguous',
      `${volume} is a volume of several Compose projects on ${host}: ${found.map(({ Name }) => Name).join(', ')}`,
      { host, next: `Name the one that is meant in the config: volume: ${one.Name}` },
    )
  }
  refuseElsewhere(host, one)
  return { name: one.Name, mountpoint: one.Mountpoint }
}

function missing(host: string, volume: string, names: readonly string[]): SourceError {
  const near = nearest(volume, names)
  return new SourceError(
    'volume-missing',
    `There is no volume ${volume} on ${host}${near === undefined ? '' : `; did you mean ${near}?`}`,
    {
      host,
      next: `Correct the name in the config; or let Compose make it, without starting anything, in the deployment on ${host}: docker compose up --no-start (or docker-compose up --no-start)`,
    },
  )
}

/** Only what lies in the volume's own directory is captured by reading that. */
function refuseElsewhere(host: string, { Name, Driver, Mountpoint, Options }: Inspected): void {
  if (Driver !== 'local' || !Mountpoint.startsWith('/')) {
    throw new SourceError(
      'volume-driver',
      `The volume ${Name} is kept by the driver ${printable(Driver)}, not on ${host} itself`,
      { host, next: 'Back it up where it is kept, and take this source out of the config.' },
    )
  }
  const options = Object.keys(Options ?? {})
  if (options.length === 0) return
  throw new SourceError(
    'volume-options',
    `The volume ${Name} on ${host} is mounted from elsewhere (${options.map(printable).join(', ')})`,
    { host, next: 'Name the directory that it is mounted from in a source of the kind files.' },
  )
}
