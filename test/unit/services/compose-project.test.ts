import { describe, expect, it } from 'vitest'
import { parseContainer } from '../../../src/services/container.ts'
import {
  nameProject,
  projectOf,
  projectsHere,
  takenElsewhere,
  type ProjectPlace,
} from '../../../src/services/compose-project.ts'
import { parseComposeSays } from '../../../src/services/compose-say.ts'
import type { ContainerLook, DockerLook } from '../../../src/services/contract.ts'

const PREFIX = 'com.docker.compose.'

interface Made {
  readonly project?: string
  readonly service?: string
  readonly directory?: string
  /** As the label has it. */
  readonly files?: string
  readonly envFile?: string
  readonly status?: ContainerLook['status']
}

let made = 0

function container(
  { project = 'app', service = 'app', directory, files, envFile, status = 'running' }: Made,
  real: ReadonlyMap<string, string> = new Map(),
): ContainerLook {
  made += 1
  const labels = {
    [`${PREFIX}project`]: project,
    [`${PREFIX}service`]: service,
    [`${PREFIX}oneoff`]: 'False',
    ...(directory === undefined ? {} : { [`${PREFIX}project.working_dir`]: directory }),
    ...(files === undefined ? {} : { [`${PREFIX}project.config_files`]: files }),
    ...(envFile === undefined ? {} : { [`${PREFIX}project.environment_file`]: envFile }),
  }
  const json = {
    id: String(made),
    name: `/${project}_${service}_${made}`,
    image: 'app:1',
    imageId: 'sha256:1',
    user: '',
    labels,
    mounts: [],
    state: { Status: status, ExitCode: 0 },
    restartCount: 0,
    ports: {},
    policy: null,
    autoRemove: false,
    readOnly: false,
  }
  return parseContainer(JSON.stringify(json), real)
}

/** The newest first, as Docker lists them. */
function look(...containers: readonly ContainerLook[]): DockerLook {
  return {
    engine: {
      version: '1',
      apiVersion: '1',
      os: 'linux',
      arch: 'amd64',
      root: undefined,
      shifted: undefined,
    },
    compose: { v1: '1.29.2', v2: undefined },
    containers,
  }
}

const at = (deployment: string, config: ProjectPlace['config'] = {}): ProjectPlace => ({
  host: 'prod',
  deployment,
  config,
})

const YML = 'docker-compose.yml'

describe('which containers are a deployment’s own', () => {
  const prod = container({ directory: '/prod/app', files: YML })
  const both = look(prod, container({ directory: '/staging/app', files: YML, service: 'redis' }))

  it('another directory of the same name is never ours, though Compose calls both projects alike', () => {
    expect(projectsHere(look(prod), at('/staging/app'))).toEqual([])
    const project = projectOf(both, at('/staging/app'), 'app')
    expect(project.containers.map(({ compose }) => compose?.service)).toEqual(['redis'])
    expect(project.elsewhere).toEqual([prod])
    expect(takenElsewhere('stg', project, ['redis'])).toBeUndefined()
    expect(takenElsewhere('stg', project, ['app'])).toMatchObject({
      check: 'project-taken',
      message: expect.stringMatching(/of \/prod\/app belongs to a Compose project of the same name, app/),
    })
  })

  it('a project that is named in the config is not taken from another directory either', () => {
    const project = projectOf(both, at('/elsewhere', { project: 'App' }), 'app')
    expect(project.containers).toEqual([])
    expect(nameProject(project)).toEqual({
      project: 'app',
      directory: '/elsewhere',
      files: [],
      state: 'down',
    })
  })

  it('several projects of one directory are told, and the configured one is chosen among them', () => {
    const two = look(
      container({ directory: '/srv/app', files: YML, project: 'green' }),
      container({ directory: '/srv/app', files: YML, project: 'blue' }),
    )
    expect(projectsHere(two, at('/srv/app'))).toEqual(['blue', 'green'])
    expect(projectsHere(two, at('/srv/app', { project: 'Green' }))).toEqual(['green'])
    expect(projectsHere(two, at('/srv/app', { project: 'gren' }))).toEqual([])
  })

  it('a directory that Compose was called in over a symlink is the same one', () => {
    const linked = container(
      { directory: '/home/u/app', files: '/home/u/app/docker-compose.yml' },
      new Map([['/home/u/app', '/srv/app']]),
    )
    expect(projectOf(look(linked), at('/srv/app'), 'app')).toMatchObject({
      directory: '/srv/app',
      files: ['/srv/app/docker-compose.yml'],
      containers: [linked],
    })
  })

  it('containers of very old versions, which name no directory, are of the project that Compose names', () => {
    const old = container({ files: YML })
    expect(projectOf(look(old), at('/srv/app'), 'app').containers).toEqual([old])
  })
})

describe('the files that the containers were made from', () => {
  const dir = '/srv/app'
  const inDir = (...names: readonly string[]) => names.map((name) => `${dir}/${name}`)

  it.each([
    ['version 1 beside them', `${YML},docker-compose.override.yml`],
    ['version 2', `${dir}/${YML},${dir}/docker-compose.override.yml`],
    ['version 1 from the directory above', `app/${YML},app/docker-compose.override.yml`],
  ])('are all of those that the labels name, in order (%s)', (_how, files) => {
    const project = projectOf(look(container({ directory: dir, files })), at(dir), 'app')
    expect(project.files).toEqual(inDir(YML, 'docker-compose.override.yml'))
    expect(project.args.filter((_arg, n, args) => args[n - 1] === '--file')).toEqual(project.files)
    expect(project.problem).toBeUndefined()
  })

  it('include the override when the config names the file that Compose merges it into', () => {
    const files = `${YML},docker-compose.override.yml`
    const project = projectOf(look(container({ directory: dir, files })), at(dir, { file: YML }), 'app')
    expect(project.files).toEqual(inDir(YML, 'docker-compose.override.yml'))
    expect(project.problem).toBeUndefined()
  })

  it.each([
    ['another file', 'docker-compose.prod.yml', YML],
    ['one of several that were named', `base.yml,prod.yml`, 'base.yml'],
    ['a file that is merged with one of another name', `${YML},docker-compose.prod.yml`, YML],
  ])('are not those of a config that names %s', (_what, files, file) => {
    const project = projectOf(look(container({ directory: dir, files })), at(dir, { file }), 'app')
    expect(project.problem).toMatchObject({
      check: 'compose-files',
      outcome: 'failed',
      message: expect.stringContaining(`the config says ${dir}/${file}`),
    })
  })

  it('are those of the last `up`: what did not change then has the list of an earlier one', () => {
    const project = projectOf(
      look(
        container({ directory: dir, files: `${YML},docker-compose.override.yml` }),
        container({ directory: dir, files: YML, service: 'redis' }),
      ),
      at(dir),
      'app',
    )
    expect(project.containers.map(({ compose }) => compose?.service)).toEqual(['app', 'redis'])
    expect(project.files).toEqual(inDir(YML, 'docker-compose.override.yml'))
  })

  it('leave out an app of the same directory and name by other files', () => {
    const monitoring = container({ directory: dir, files: 'monitoring.yml', service: 'grafana' })
    const app = container({ directory: dir, files: YML })
    expect(projectOf(look(monitoring, app), at(dir), 'app').containers).toEqual([app])
    expect(projectOf(look(monitoring, app), at(dir, { file: 'monitoring.yml' }), 'app').containers).toEqual([
      monitoring,
    ])
  })

  it('are asked for when neither of two apps is by a file that Compose finds by itself', () => {
    const project = projectOf(
      look(container({ directory: dir, files: 'a.yml' }), container({ directory: dir, files: 'b.yml' })),
      at(dir),
      'app',
    )
    expect(project.problem?.message).toBe(`several apps run from ${dir}: of ${dir}/a.yml; of ${dir}/b.yml`)
  })

  it('come with the env file that was named', () => {
    const files = `app/${YML}`
    const named = container({ directory: dir, files, envFile: 'app/prod.env' })
    const project = projectOf(look(named), at(dir), 'app')
    expect(project.args.slice(-2)).toEqual(['--env-file', `${dir}/prod.env`])
    expect(project.reads).toEqual(inDir(YML, 'prod.env'))
  })
})

describe('what Compose says of a directory', () => {
  const says = (directory: string, ...lines: readonly string[]) =>
    parseComposeSays(
      'prod',
      { directory, project: undefined },
      Buffer.from(`${['endpoint\tunix:///x', ...lines, 'end'].join('\n')}\n`),
    )

  it.each([
    ['version 2: the name that it says', ['config\tname: staging'], 'staging'],
    ['version 1: the variable', ['config\tservices: {}', 'name\tSta.Ging'], 'staging'],
    ['version 1: the directory, where the variable is empty', ['config\tservices: {}', 'name\t'], 'myapp'],
  ])('names the project (%s)', (_how, lines, project) => {
    expect(says('/srv/My.App', ...lines)).toMatchObject({ project })
  })

  it('tells how volumes are really called', () => {
    const config = [
      'volumes:',
      '  own: {}',
      '  bare:',
      '  named: { name: other }',
      '  ext: { external: true }',
      '  old: { external: { name: there } }',
    ]
    const said = says('/srv/app', ...config.map((line) => `config\t${line}`))
    expect(typeof said === 'object' ? Object.fromEntries(said.volumes) : said).toEqual({
      own: 'app_own',
      bare: 'app_bare',
      named: 'other',
      ext: 'ext',
      old: 'there',
    })
  })

  it('tells what services depend on, in either way of writing it', () => {
    const config = [
      'services:',
      '  app: { depends_on: { queue: { condition: service_healthy }, redis: { condition: service_started } } }',
      '  queue: { depends_on: [redis] }',
      '  redis: { image: x }',
    ]
    const said = says('/srv/app', ...config.map((line) => `config\t${line}`))
    expect(typeof said === 'object' ? Object.fromEntries(said.dependsOn) : said).toEqual({
      app: ['queue', 'redis'],
      queue: ['redis'],
      redis: [],
    })
  })

  it.each([
    ['there is no Compose', 'tool\tmissing'],
    ['there is no Compose file', 'files\tmissing'],
  ])('is nothing where %s', (_why, line) => {
    expect(says('/srv/app', line)).toBeUndefined()
  })

  it('is that it can’t read it', () => {
    expect(says('/srv/app', 'unreadable\tyaml: line 1')).toBe('unreadable')
  })
})
