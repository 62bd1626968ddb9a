import { SourceError } from '../errors.ts'
import type { HostConfig } from '../model/config.ts'
import type { ServerServices } from './server/driver.ts'

/** What the server's script stops and starts, from the config. */
export function serverServices(host: HostConfig): ServerServices {
  const { services } = host
  switch (services.manager) {
    case 'none':
      return { manager: 'none' }
    case 'command':
      return { manager: 'command', stop: services.stop, start: services.start, status: services.status }
    case 'systemd':
      return {
        manager: 'systemd',
        data: services.data,
        rest: services.stop.filter((unit) => !services.data.includes(unit)),
      }
    case 'compose':
    case 'docker':
      throw new SourceError(
        'services-unknown',
        `services of the manager ${services.manager} can't be stopped by this version`,
        {
          host: host.name,
          next: `Set hosts.${host.name}.services to the manager command, with the lines that stop and start it.`,
        },
      )
  }
}
