import { expect, it } from 'vitest'
import {
  describeProjectWhole,
  parseServiceLines,
  serviceLines,
  type ServerServices,
} from '../../../src/model/server-services.ts'

it.each<ServerServices>([
  { manager: 'none' },
  { manager: 'command', stop: "sh -c 'a b'\tx", start: 'go', status: undefined },
  { manager: 'command', stop: 'a', start: 'b', status: 'c' },
  { manager: 'docker', data: ['redis'], rest: ['app', 'web'] },
  { manager: 'systemd', data: [], rest: ['app.service'] },
  {
    manager: 'compose',
    project: 'app',
    args: ['--project-name', 'app', '--project-directory', '/srv/a b'],
    renew: true,
    data: ['redis'],
    rest: ['app'],
  },
])('services of a journal are read back as they were written ($manager)', (services) => {
  const lines = serviceLines(services).map((line) => line.split('\t'))
  expect(parseServiceLines(lines)).toEqual(services)
  expect(parseServiceLines([])).toBeUndefined()
})

it('a project is named with its directory, and files as they lie in it', () => {
  const files = ['/srv/app/docker-compose.yml', '/etc/more.yml']
  expect(describeProjectWhole({ project: 'app', directory: '/srv/app', files, state: 'up' })).toBe(
    'Compose project app in /srv/app (docker-compose.yml, /etc/more.yml)',
  )
})
