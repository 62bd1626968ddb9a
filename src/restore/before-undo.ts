import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import type { ServerServices } from '../model/server-services.ts'
import { refuse } from '../runs/refusal.ts'
import { configuredPrivilege, type Visit } from '../runs/visit.ts'
import { findPlacedServices } from '../services/container-services.ts'
import type { ContainerServices } from '../services/contract.ts'
import { changedServices, checkCompose } from './compose-check.ts'
import type { RestoreJournal } from './server/journals.ts'

/**
 * Looks at who uses the targets of a restore before a person undoes it, as the restore itself did: undoing moves the
 * same data. Changes nothing. Throws RelayError `preflight-containers-left` for containers that run, use it and would not be
 * stopped, and `preflight-compose-changes` as a restore does. Resolves with what was accepted. The server's script looks for
 * processes when the services are stopped.
 */
export async function checkUndo(
  { host, remote, privilege, signal }: Visit,
  journal: RestoreJournal,
  { acceptChanges }: { readonly acceptChanges: boolean },
): Promise<readonly Finding[]> {
  const { manages, state, how } = journal
  const units = journal.units ?? []
  const services = containerServices(manages)
  if (manages === undefined || services === undefined || units.length === 0) return []
  // Nothing of this unit was moved, or it is back already.
  if (state === 'begun' || (state === 'closed' && how !== 'done')) return []
  const paths = units.map(({ target }) => target)
  const speak = configuredPrivilege(host)
  const { usersLeft, made } = await findPlacedServices(remote, services, { paths, privilege: speak, signal })
  if (usersLeft.length > 0) {
    const names = usersLeft.map((container) => printable(container.name)).join(', ')
    refuse(
      [
        {
          check: 'containers-left',
          outcome: 'failed',
          message: `${names} runs on ${host.name}, uses what would be moved aside, and would not be stopped: what it writes would not be in the old data`,
        },
      ],
      {
        host: host.name,
        next: `Stop it there (docker stop ${names.replaceAll(',', '')}), then run this again.`,
      },
    )
  }
  // An undo that goes on halfway starts the containers of before. A migration is taken back to what ran on either
  // server.
  if (state !== 'closed' || journal.migration !== undefined) return []
  const changed = await changedServices(remote, manages, made, { privilege, signal })
  if (changed.length === 0) return []
  const staged = units.map(({ target, aside }) => ({ target, staged: aside }))
  return checkCompose(remote, manages, staged, {
    made,
    changed,
    acceptChanges,
    recorded: undefined,
    privilege,
    signal,
  })
}

function containerServices(services: ServerServices | undefined): ContainerServices | undefined {
  switch (services?.manager) {
    case 'compose':
      return services
    case 'docker':
      return { manager: 'docker', data: services.data, rest: services.rest }
    case undefined:
    case 'none':
    case 'command':
    case 'systemd':
      return undefined
  }
}
