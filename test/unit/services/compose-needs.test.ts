import { describe, expect, it } from 'vitest'
import { findNeeds, interpolate } from '../../../src/services/compose-needs.ts'
import { parseMakes } from '../../../src/services/container-make.ts'

const project = (...files: string[]) => ({ directory: '/srv/app', files, envFiles: [] })
const reader = (files: Readonly<Record<string, string>>) => (path: string) => Promise.resolve(files[path])

describe('what Compose files name beside themselves', () => {
  it('is found in every form that Compose knows', async () => {
    const found = await findNeeds(
      project('/srv/app/docker-compose.yml', '/srv/app/more.yml'),
      reader({
        '/srv/app/.env': 'CONF=conf.d\nexport QUOTED="a b"\n',
        '/srv/app/docker-compose.yml': `
services:
  app:
    build: ./app
    env_file: [app.env, { path: "\${CONF}/\${NAME:-x}.env", required: false }]
    extends: { file: common/base.yml, service: base }
  web:
    build: { context: /opt/web, dockerfile: Dockerfile.prod }
    env_file: web.env
  job: { build: https://example.com/repo.git }
secrets:
  token: { file: ./token.txt }
  outside: { external: true }
`,
        '/srv/app/more.yml':
          'configs: { conf: { file: ./site.conf } }\ninclude: [{ path: extra/compose.yml }]\n',
        '/srv/app/common/base.yml': 'services: { base: { env_file: base.env } }\n',
        '/srv/app/extra/compose.yml': 'services: { extra: { env_file: extra.env } }\n',
      }),
    )
    expect(found.needs.map(({ path }) => path.replace('/srv/app/', ''))).toEqual([
      'app.env',
      'conf.d/x.env',
      'app',
      'common/base.yml',
      'web.env',
      '/opt/web',
      '/opt/web/Dockerfile.prod',
      'token.txt',
      'site.conf',
      'extra/compose.yml',
      'common/base.env',
      'extra/extra.env',
    ])
    expect(found.needs[0]?.what).toBe('env file of app')
    expect(found.unclear).toEqual([])
    expect(found.variables).toEqual(['CONF', 'NAME'])
  })

  it('is told to be unclear where only Compose knows, and never guessed', async () => {
    const found = await findNeeds(
      project('/srv/app/a.yml', '/srv/app/gone.yml', '/srv/app/broken.yml'),
      reader({
        '/srv/app/a.yml': 'services: { app: { env_file: ["$UNKNOWN/x", "~/y"] } }',
        '/srv/app/broken.yml': 'services: [',
      }),
    )
    expect(found.needs).toEqual([])
    expect(found.unclear).toHaveLength(4)
  })

  it('resolves variables as Compose does', () => {
    const known = new Map([
      ['A', 'a'],
      ['EMPTY', ''],
    ])
    const text = '$A ${A} ${EMPTY:-d} ${EMPTY-d} ${B:-e} ${A:+f}${B+g} $$A'
    expect(interpolate(text, known)).toBe('a a d  e f $A')
    expect(interpolate('${B}', known)).toBeUndefined()
    expect(interpolate('${B:?must}', known)).toBeUndefined()
  })
})

it('reads what a container was made with, and never a value of its environment', () => {
  const json = JSON.stringify({
    name: '/app_web_1',
    labels: { 'com.docker.compose.service': 'web' },
    imageId: 'sha256:1',
    ports: {
      '80/tcp': [{ HostIp: '', HostPort: '8080' }],
      '90/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }],
    },
    mounts: [{ Type: 'bind', Destination: '/etc/x', RW: false }],
  })
  const said = `me\troot\troot\nendpoint\tunix:///x\ncontainer\t${json}\nenv\tB\nenv\tA\nend\n`
  expect(parseMakes('prod', Buffer.from(said))).toEqual([
    {
      name: 'web',
      imageId: 'sha256:1',
      published: ['80/tcp at *:8080', '90/tcp at 127.0.0.1:any'],
      environment: ['A', 'B'],
      mounts: ['/etc/x (bind, read-only)'],
    },
  ])
  expect(() => parseMakes('prod', Buffer.from('me\troot\troot\n'))).toThrow('cut short')
})
