import { RemoteError } from '../errors.ts'
import type { HostProbe, RemoteHost, TarFlavour } from './contract.ts'

type Versions = { -readonly [tool in keyof HostProbe['versions']]: HostProbe['versions'][tool] }

const TOOLS = [
  'tar',
  'zstd',
  'gzip',
  'pigz',
  'find',
  'sha256sum',
  'nice',
  'ionice',
  'redis-cli',
  'docker',
] as const satisfies readonly (keyof Versions)[]

/**
 * Asks the server in one round trip what it has and what is in the deployment. `names` are looked for directly
 * below it. Throws RemoteError when the server can't run a shell script.
 */
export async function probeHost(
  host: RemoteHost,
  question: { readonly deployment: string; readonly names: readonly string[] },
  signal: AbortSignal,
): Promise<HostProbe> {
  const result = await host.run(
    { script: 'probe', args: [question.deployment, ...question.names], title: 'looking around' },
    { signal },
  )
  const probe = parseProbe(result.stdout.toString('utf8'))
  if (probe === undefined) {
    throw new RemoteError('no-shell', 'the server does not run shell scripts as it should', {
      host: host.name,
      command: 'a POSIX sh script that looks around',
      exitStatus: result.status,
      stderr: result.stderr,
      next: "Log in by ssh and run 'sh -c true': a login message, a restricted shell or an SFTP-only account is in the way.",
    })
  }
  return probe
}

/** The answer of probe.sh; undefined when it is not whole. */
export function parseProbe(text: string): HostProbe | undefined {
  const values = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=')
    if (equals > 0)
      values.set(line.slice(0, equals), [
        ...(values.get(line.slice(0, equals)) ?? []),
        line.slice(equals + 1),
      ])
  }
  const one = (key: string) => values.get(key)?.[0] ?? ''
  if (one('done') !== 'yes') return undefined
  const freeKib = /^\d+$/.test(one('free-kib')) ? Number(one('free-kib')) : undefined
  const tar = values.get('version.tar')?.[0]
  const versions: Versions = {}
  for (const tool of TOOLS) {
    const line = values.get(`version.${tool}`)?.[0]
    if (line !== undefined) versions[tool] = versionIn(line)
  }
  return {
    os: one('os'),
    kernel: one('kernel'),
    arch: one('arch'),
    uid: Number(one('uid')),
    user: one('user'),
    home: one('home'),
    cpus: Math.max(1, Number(one('cpus')) || 1),
    deployment: values.get('deployment')?.[0],
    deploymentWritable: one('writable') === 'yes',
    freeBytes: freeKib === undefined ? undefined : freeKib * 1024,
    existing: new Set(values.get('exists') ?? []),
    tar: tar === undefined ? undefined : flavourOf(tar),
    versions,
    findPrintf: one('find-printf') === 'yes',
    openJournals: values.get('journal') ?? [],
    groups: one('groups')
      .split(' ')
      .filter((group) => group !== ''),
  }
}

/** `tar (GNU tar) 1.34` → `1.34`; a tool that is there and names no version is `?`. */
function versionIn(line: string): string {
  return /\d+(?:\.\d+)+(?:[-+~.\w]*)?/.exec(line)?.[0] ?? '?'
}

function flavourOf(line: string): TarFlavour {
  if (/GNU tar/.test(line)) return 'gnu'
  if (/busybox/i.test(line)) return 'busybox'
  if (/bsdtar/.test(line)) return 'bsd'
  return 'unknown'
}
