import { expect, test } from 'vitest'
import type { ServicesConfig } from '../../../src/model/config.ts'
import type { RestoreReport } from '../../../src/model/restore-report.ts'
import type { NamedProject } from '../../../src/model/server-services.ts'
import { renderRestoreReport } from '../../../src/report/restore-summary.ts'
import { startOfStopped } from '../../../src/restore/nothing-started.ts'
import type { FoundServices } from '../../../src/restore/services.ts'

const told = (
  config: ServicesConfig,
  found: Pick<FoundServices, 'services' | 'project' | 'composeTool'>,
  more: { readonly sudo?: boolean; readonly deployment?: string } = {},
) => startOfStopped({ services: config, sudo: more.sudo ?? false }, found, more.deployment ?? '/srv/app')

const project = (state: NamedProject['state']): NamedProject => ({
  project: 'app',
  directory: '/srv/app',
  files: [],
  state,
})
const none = { manager: 'none' } as const
const compose: ServicesConfig = { manager: 'compose', data: [] }

test('on a server without any Compose project, the deployment is started where it lies', () => {
  expect(told(compose, { services: none, project: 'unknown' })).toBe('cd /srv/app && docker compose up -d')
  expect(told(compose, { services: none, project: 'unknown', composeTool: 'docker-compose' })).toBe(
    'cd /srv/app && docker-compose up -d',
  )
  const config: ServicesConfig = { ...compose, file: 'prod.yml', project: 'shop' }
  expect(
    told(config, { services: none, project: 'unknown' }, { sudo: true, deployment: '/srv/my app' }),
  ).toBe(`cd '/srv/my app' && sudo docker compose -p shop -f '/srv/my app/prod.yml' up -d`)
})

test('a project that Compose knows is started by the arguments that lead to it, and only when none of it ran', () => {
  const args = ['--project-name', 'app', '--project-directory', '/srv/app']
  const services = { manager: 'compose', project: 'app', args, renew: true, data: [], rest: ['app'] } as const
  for (const state of ['down', 'stopped'] as const)
    expect(told(compose, { services, project: project(state) })).toBe(
      'docker compose --project-name app --project-directory /srv/app up -d',
    )
  expect(told(compose, { services, project: project('up') })).toBeUndefined()
})

test('other managers start what the config names', () => {
  const systemd = { manager: 'systemd', data: ['redis.service'], rest: ['app.service'] } as const
  expect(told({ manager: 'systemd', data: [], stop: [] }, { services: systemd }, { sudo: true })).toBe(
    'sudo systemctl start redis.service app.service',
  )
  const docker = { manager: 'docker', data: [], rest: ['app'] } as const
  expect(told({ manager: 'docker', data: [], stop: [] }, { services: docker })).toBe('docker start app')
  const empty = { manager: 'docker', data: [], rest: [] } as const
  expect(told({ manager: 'docker', data: [], stop: [] }, { services: empty })).toBeUndefined()
  const command = { manager: 'command', stop: './stop', start: './start' } as const
  expect(told(command, { services: command })).toBe('./start')
  expect(told(none, { services: none })).toBeUndefined()
})

test('the report says it, with the command', () => {
  const report = {
    plan: { id: 'r1', host: 'new', strategy: 'replace', units: [] },
    outcome: 'done',
    steps: [],
    restored: [],
    findings: [],
    duration: 1000,
    nothingStarted: {
      message: 'nothing ran before, so nothing was started',
      start: 'cd /srv/app && docker compose up -d',
    },
  } as unknown as RestoreReport
  expect(renderRestoreReport(report, { color: false })).toContain(
    '  services: nothing ran before, so nothing was started\n' +
      '    Next: start them on the server: cd /srv/app && docker compose up -d',
  )
})
