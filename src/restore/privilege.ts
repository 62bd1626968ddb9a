import { RelayError } from '../errors.ts'
import {
  choosePrivilege,
  lookAtAccess,
  type ChosenPrivilege,
  type PrivilegePlace,
} from '../pull/privilege.ts'
import type { HostConfig, ServicesConfig } from '../model/config.ts'
import type { Privilege } from '../remote/contract.ts'

/** What is replaced, and by what. */
export interface Replacement {
  /** Absolute. */
  readonly deployment: string
  /** Absolute. */
  readonly targets: readonly string[]
  /** What is restored belongs to others than the SSH user, so only root can make it theirs. */
  readonly foreign: boolean
  readonly services: ServicesConfig
}

/**
 * As whom a restore is carried out: as the SSH user where all that is replaced, and all that comes instead, is his;
 * else as root. One choice for the whole run, so that its journal has one owner.
 */
export async function privilegeToReplace(
  place: PrivilegePlace,
  { deployment, targets, foreign, services }: Replacement,
): Promise<ChosenPrivilege> {
  const enough = async () =>
    !foreign && (await lookAtAccess(place, 'replace', [deployment, ...targets])).every((answer) => answer)
  if (services.manager !== 'command') return choosePrivilege(place, enough)
  // Whatever is started from a helper container ends with it.
  const isAlone = place.probe.uid !== 0 && !place.host.sudo
  return {
    privilege: place.host.sudo ? 'sudo' : undefined,
    ...(!isAlone || place.probe.versions.docker === undefined || (await enough())
      ? {}
      : {
          refused: {
            message: 'services that commands start can’t be started through Docker',
            next: 'Set services.manager to compose or docker.',
          },
        }),
  }
}

/**
 * As whom what restores have left is settled or removed: as root where a restore was carried out as root. Throws
 * RelayError when that can't be had: half of it would be done.
 */
export async function privilegeToSettle(
  place: PrivilegePlace & { readonly host: Pick<HostConfig, 'name'> },
  deployment: string,
): Promise<Privilege | undefined> {
  const { privilege, refused } = await choosePrivilege(place, async () => {
    const [ours = false] = await lookAtAccess(place, 'settle', [deployment])
    return ours
  })
  if (refused === undefined) return privilege
  throw new RelayError(
    'root-needed',
    `A restore was carried out as root, and the SSH user is not: ${refused.message}`,
    { host: place.host.name, next: `${refused.next} Then run this again.` },
  )
}
