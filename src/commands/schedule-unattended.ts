import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { namedSecrets } from '../check/check-all.ts'
import { RelayError } from '../errors.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import type { ScheduleConfig } from '../model/schedule.ts'
import { readIdentity } from '../remote/identity-file.ts'
import type { Endpoint } from '../remote/openssh/endpoint.ts'
import { resolveRoute } from '../remote/openssh/resolve.ts'
import type { Login, UnattendedFacts } from '../schedule/unattended.ts'
import type { TimerPlace } from '../timers/contract.ts'
import type { CommandContext } from './context.ts'

/** Looks up what decides whether a schedule runs while nobody is there. Connects to nothing and reads no secret. */
export async function unattendedFacts(
  { env, signal }: CommandContext,
  config: Config,
  schedule: ScheduleConfig,
  hosts: readonly HostConfig[],
  place: TimerPlace,
): Promise<UnattendedFacts> {
  const isPull = schedule.run[0] === 'pull'
  const secrets = namedSecrets(config, hosts).filter(({ at }) =>
    // A pull only encrypts; what does not pull needs those of the channels alone.
    isPull ? at !== 'encryption.identityPassphrase' : at.startsWith('notify'),
  )
  const logins: { host: string; login: Login }[] = []
  for (const host of hosts) logins.push({ host: host.name, login: await loginOf(host, signal) })
  const lines = secrets.flatMap(({ reference }) => ('command' in reference ? [reference.command] : []))
  const programs = new Set(lines.flatMap((line) => /^[\w.-]+(?=\s|$)/.exec(line)?.[0] ?? []))
  const absent: string[] = []
  for (const program of programs)
    if ((await isOn(env['PATH'], program)) && !(await isOn(place.env['PATH'], program))) absent.push(program)
  return { secrets, logins, env: place.env, rights: await rightsProblems(config), absent }
}

async function rightsProblems({ vault }: Config): Promise<string[]> {
  try {
    await access(vault, constants.R_OK | constants.W_OK | constants.X_OK)
    return []
  } catch (error) {
    // The first pull makes it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    return [`${printable(vault)} can't be written to by this user: see ls -ld ${printable(vault)}`]
  }
}

/** Each server on the way must let us in without a person and without an agent of a session. */
async function loginOf(host: HostConfig, signal: AbortSignal): Promise<Login> {
  try {
    const { hops } = await resolveRoute(host.ssh, { signal, env: {} })
    const logins = await Promise.all(hops.map(hopLogin))
    return logins.find((login) => login !== 'fine') ?? 'fine'
  } catch (error) {
    if (!(error instanceof RelayError)) throw error
    return { problem: error.message }
  }
}

async function hopLogin({ identities, agent, password }: Endpoint): Promise<Login> {
  if (password !== undefined) return 'fine'
  const keys = await Promise.all(identities.files.map(readIdentity))
  const opens = keys.some(
    (key) => 'key' in key || ('locked' in key && identities.named && identities.passphrase !== undefined),
  )
  if (opens) return 'fine'
  return agent !== undefined || keys.some((key) => 'publicKey' in key) ? 'agent' : 'person'
}

async function isOn(path: string | undefined, program: string): Promise<boolean> {
  for (const folder of (path ?? '').split(delimiter).filter((one) => isAbsolute(one)))
    if (
      await access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true
  return false
}
