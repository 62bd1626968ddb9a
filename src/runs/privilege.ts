import { RelayError, RemoteError } from '../errors.ts'
import type { ServicesConfig } from '../model/config.ts'
import type { Privilege } from '../remote/contract.ts'
import type { FindHelper } from '../services/contract.ts'
import type { Visit } from './visit.ts'

/** With which rights something on the server is done. */
export interface ChosenPrivilege {
  /** Undefined: as the SSH user. */
  readonly privilege: Privilege | undefined
  /** Why Docker does not give root, where root is needed. */
  readonly refused?: { readonly message: string; readonly next: string } | undefined
}

/** Where a privilege is chosen. */
type Place = Omit<Visit, 'privilege' | 'deployment'>

/** Who finds the helper container. */
interface Finding {
  readonly findHelper: FindHelper
}

/** `enough` says whether the SSH user's own rights are enough; it is called only where there is a choice. */
export async function choosePrivilege(
  { host, remote, probe, signal }: Place,
  { findHelper }: Finding,
  enough: () => Promise<boolean>,
): Promise<ChosenPrivilege> {
  if (probe.access === 'sftp') return { privilege: undefined }
  if (host.sudo) return { privilege: 'sudo' }
  const isChoice = probe.uid !== 0 && probe.versions.docker !== undefined
  if (!isChoice || (await enough())) return { privilege: undefined }
  const found = await findHelper(remote, signal)
  return 'refused' in found ? { privilege: undefined, refused: found.refused } : found
}

/** Asks the server by remote/scripts/access.sh; the first of `args` is the deployment. */
export async function lookAtAccess(
  { remote, signal }: Pick<Visit, 'remote' | 'signal'>,
  how: 'read' | 'replace' | 'settle',
  args: readonly string[],
): Promise<readonly boolean[]> {
  const title = 'looking at who may read what'
  const result = await remote.run(
    { script: 'remote/access', patience: 'work', args: [how, ...args], title },
    { signal },
  )
  const answers = result.stdout.toString('utf8').split('\n').slice(0, -1)
  const expected = how === 'read' ? args.length - 1 : args.length
  if (result.status === 0 && answers.length === expected) return answers.map((answer) => answer === 'yes')
  throw new RemoteError('script', "The server's answer about its files is incomplete", {
    host: remote.name,
    command: title,
    exitStatus: result.status,
    stderr: result.stderr,
    next: 'Try again; with --verbose the log has the details.',
  })
}

/** The paths that are replaced, and who owns what comes instead. */
export interface Replacement {
  /** Absolute. */
  readonly targets: readonly string[]
  /** The restored files belong to other users, so only root can give them back. */
  readonly foreign: boolean
  readonly services: ServicesConfig
}

/**
 * As whom a restore is carried out: as the SSH user where all that is replaced, and all that comes instead, is his;
 * else as root. One choice for the whole run, so that its journal has one owner.
 */
export async function privilegeToReplace(
  visit: Omit<Visit, 'privilege'>,
  finding: Finding,
  { targets, foreign, services }: Replacement,
): Promise<ChosenPrivilege> {
  const { host, probe, deployment } = visit
  const enough = async () =>
    !foreign && (await lookAtAccess(visit, 'replace', [deployment, ...targets])).every((answer) => answer)
  if (services.manager !== 'command') return choosePrivilege(visit, finding, enough)
  // A process that is started from a helper container ends with the container.
  const isAlone = probe.uid !== 0 && !host.sudo
  return {
    privilege: host.sudo ? 'sudo' : undefined,
    ...(!isAlone || probe.versions.docker === undefined || (await enough())
      ? {}
      : {
          refused: {
            message: "services that a command starts can't be started through Docker",
            next: 'Set services.manager to compose or docker.',
          },
        }),
  }
}

/**
 * With which rights the remains of restores are settled or removed: as root where a restore was carried out as root.
 * Throws RelayError `root-needed` when there is no way to be root, because half of the work would be done.
 */
export async function privilegeToSettle(
  visit: Omit<Visit, 'privilege'>,
  finding: Finding,
): Promise<Privilege | undefined> {
  const { privilege, refused } = await choosePrivilege(visit, finding, async () => {
    const [ours = false] = await lookAtAccess(visit, 'settle', [visit.deployment])
    return ours
  })
  if (refused === undefined) return privilege
  throw new RelayError(
    'root-needed',
    `A restore was carried out as root, and the SSH user is not: ${refused.message}`,
    { host: visit.host.name, next: `${refused.next} Then run this again.` },
  )
}
