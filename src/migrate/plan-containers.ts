import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { isOlder } from '../model/version-order.ts'
import type { ContainerLook, DeploymentServices } from '../services/contract.ts'
import { movedContainers } from './moved-containers.ts'
import type { MigrationInput } from './plan.ts'
import { takenPorts } from './plan-servers.ts'

/** What concerns Docker and Compose; nothing where other managers run the services. */
export function containerFindings(input: MigrationInput): Finding[] {
  const { from, to } = input
  if (from.containers === undefined || to.containers === undefined) return []
  const sides = { from: from.containers, to: to.containers }
  return [
    ...sameContainers(input, sides),
    ...fileFindings(sides),
    ...versionFindings(input, sides),
    ...imageFindings(input, sides.from),
    ...publishedFindings(input, sides),
    ...policyFindings(input, sides),
    ...usersLeftFindings(input, sides.to),
  ]
}

interface Sides {
  readonly from: DeploymentServices
  readonly to: DeploymentServices
}

/** One engine may run both: then the project must not be the same. Another deployment's is not ours to stop. */
function sameContainers({ from, to }: MigrationInput, sides: Sides): Finding[] {
  const ours = new Set(sides.from.containers.map(({ id }) => id))
  const elsewhere = sides.to.project?.elsewhere ?? []
  const shared = [...sides.to.containers, ...elsewhere].filter(({ id }) => ours.has(id))
  if (shared.length > 0) {
    return [
      {
        check: 'to-is-from',
        outcome: 'failed',
        message: `the services of ${to.host.name} are those of ${from.host.name}: ${names(shared)}`,
        next: `Correct hosts.${to.host.name}, or give it a Compose project of its own: services.project.`,
      },
    ]
  }
  const foreign = [
    ...elsewhere,
    ...sides.to.containers.filter(
      ({ compose }) => compose?.directory !== undefined && compose.directory !== sides.to.directory,
    ),
  ]
  if (foreign.length === 0) return []
  const places = [...new Set(foreign.map(({ compose }) => printable(compose?.directory ?? '?')))]
  return [
    {
      check: 'project-taken',
      outcome: 'failed',
      message: `${to.host.name} has a Compose project of the same name from ${places.join(', ')}: ${names(foreign)}`,
      next: `Give this one a name of its own: hosts.${to.host.name}.services.project.`,
    },
  ]
}

/** TO would start the services that FROM runs, and stop the services that run on TO. */
function fileFindings({ from, to }: Sides): Finding[] {
  return [from.project?.problem ?? [], to.project?.problem ?? []].flat()
}

function versionFindings({ from, to }: MigrationInput, sides: Sides): Finding[] {
  const [there, here] = [sides.from.look, sides.to.look]
  const findings: Finding[] = []
  const older = isOlder(here.engine.version, there.engine.version)
  findings.push({
    check: 'docker-version',
    outcome: older ? 'warning' : 'ok',
    message: `Docker ${there.engine.version} on ${from.host.name}, ${here.engine.version} on ${to.host.name}`,
    ...(older
      ? { next: `Check that the Compose file needs nothing newer, or update Docker on ${to.host.name}.` }
      : {}),
  })
  if (sides.from.services.manager === 'compose') {
    const [old, now] = [there, here].map(({ compose }) => compose.v2 ?? compose.v1)
    const differs = (there.compose.v2 === undefined) !== (here.compose.v2 === undefined)
    findings.push({
      check: 'compose-version',
      outcome: differs ? 'warning' : 'ok',
      message: `Compose ${old ?? 'none'} on ${from.host.name}, ${now ?? 'none'} on ${to.host.name}`,
      ...(differs
        ? { next: 'The two major versions read some files differently: look at docker compose config there.' }
        : {}),
    })
  }
  return findings
}

/** A missing image would be fetched while nobody serves, or could not be fetched at all. */
function imageFindings({ from, to, images }: MigrationInput, services: DeploymentServices): Finding[] {
  const used = new Map<string, ContainerLook>()
  for (const container of movedContainers(services)) used.set(container.image, container)
  return [...used].flatMap(([image, container]): Finding[] => {
    const id = images.get(image)
    if (id === undefined) {
      return [
        {
          check: 'image',
          outcome: 'failed',
          message: `the image ${printable(image)} is not on ${to.host.name}`,
          next: `Bring it there: docker pull ${printable(image)} – or, from ${from.host.name}: docker save ${printable(image)}, and docker load there`,
        },
      ]
    }
    if (id === container.imageId) return []
    return [
      {
        check: 'image',
        outcome: 'warning',
        message: `${printable(image)} is another build on ${to.host.name} than what runs on ${from.host.name}`,
        next: 'Bring the same one there if it matters: docker save, docker load.',
      },
    ]
  })
}

function publishedFindings(input: MigrationInput, sides: Sides): Finding[] {
  const { to, replace } = input
  const inUse = takenPorts(input)
  const own = new Set(replace ? sides.to.containers.flatMap(({ ports }) => ports) : [])
  const wanted = [...new Set(movedContainers(sides.from).flatMap(({ ports }) => ports))]
  const taken = wanted.filter((port) => inUse.has(port) && !own.has(port))
  if (taken.length === 0) return []
  return [
    {
      check: 'port',
      outcome: 'failed',
      message: `${taken.length === 1 ? `port ${taken[0]} is` : `ports ${taken.join(', ')} are`} taken already on ${to.host.name}`,
      next: 'Stop what listens there.',
    },
  ]
}

/**
 * A container by name starts on TO as it is there, and an undone migration has left it without its restart policy.
 * Compose has the policy from its file.
 */
function policyFindings({ to }: MigrationInput, sides: Sides): Finding[] {
  if (sides.to.services.manager !== 'docker') return []
  return movedContainers(sides.from).flatMap(({ name, restartPolicy }): Finding[] => {
    const there = sides.to.containers.find((one) => one.name === name)
    if (there?.restartPolicy !== 'no' || restartPolicy === 'no') return []
    return [
      {
        check: 'restart-policy',
        outcome: 'warning',
        message: `${printable(name)} on ${to.host.name} has no restart policy: it would not start again with the server`,
        next: `On ${to.host.name}: docker update --restart=${restartPolicy} ${printable(name)}`,
      },
    ]
  })
}

function usersLeftFindings({ to }: MigrationInput, { usersLeft }: DeploymentServices): Finding[] {
  if (usersLeft.length === 0) return []
  return [
    {
      check: 'containers-left',
      outcome: 'failed',
      message: `${names(usersLeft)} on ${to.host.name} uses what is to be replaced, and would not be stopped`,
      next: 'Stop it there.',
    },
  ]
}

function names(containers: readonly ContainerLook[]): string {
  return containers.map(({ name }) => printable(name)).join(', ')
}
