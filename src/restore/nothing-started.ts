import { posix } from 'node:path'
import type { HostConfig } from '../model/config.ts'
import { shellWord } from '../model/shell-word.ts'
import type { FoundServices } from './services.ts'

export const NOTHING_STARTED = 'nothing ran before, so nothing was started'

/**
 * The line of shell that starts the services on the server, where none of them ran when they were looked for; undefined
 * where some ran, or there are none. `deployment`: absolute.
 */
export function startOfStopped(
  { services: config, sudo }: Pick<HostConfig, 'services' | 'sudo'>,
  {
    services,
    project,
    composeTool = 'docker compose',
  }: Pick<FoundServices, 'services' | 'project' | 'composeTool'>,
  deployment: string,
): string | undefined {
  const asRoot = sudo ? 'sudo ' : ''
  if (config.manager === 'command') return config.start
  if (services.manager === 'docker' || services.manager === 'systemd') {
    const names = [...services.data, ...services.rest]
    const tool = services.manager === 'docker' ? 'docker' : 'systemctl'
    return names.length === 0 ? undefined : `${asRoot}${tool} start ${names.map(shellWord).join(' ')}`
  }
  if (config.manager !== 'compose') return undefined
  if (services.manager === 'compose') {
    const isDown = typeof project === 'object' && project.state !== 'up'
    return isDown ? `${asRoot}${composeTool} ${services.args.map(shellWord).join(' ')} up -d` : undefined
  }
  const named = config.project === undefined ? '' : ` -p ${shellWord(config.project)}`
  const file = config.file === undefined ? '' : ` -f ${shellWord(posix.resolve(deployment, config.file))}`
  return `cd ${shellWord(deployment)} && ${asRoot}${composeTool}${named}${file} up -d`
}
