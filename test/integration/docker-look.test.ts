import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RemoteHost } from '../../src/remote/contract.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import { findComposeProject } from '../../src/services/find-project.ts'
import { findContainerServices } from '../../src/services/container-services.ts'
import { findContainer } from '../../src/services/docker-find.ts'
import { lookAtDocker } from '../../src/services/docker-look.ts'
import { containersUsing, pathOnServer } from '../../src/services/docker-paths.ts'
import { busyboxTools } from '../lab/busybox.ts'
import { writeDockerDeployment } from '../lab/docker-deployment.ts'
import { LAB_IMAGE, startDocker } from '../lab/docker.ts'
import type { LabDocker } from '../lab/docker.ts'
import { LocalHost } from '../lab/local-host.ts'
import { createUser, startSshd } from '../lab/sshd.ts'
import type { Sshd, TestUser } from '../lab/sshd.ts'
import { tempDir } from '../lab/temp.ts'

const signal = AbortSignal.timeout(600_000)
const resolveSecret = () => Promise.reject(new Error('no secrets here'))
let engine: LabDocker
let sshd: Sshd
let member: TestUser
let outsider: TestUser

beforeAll(async () => {
  engine = await startDocker()
  sshd = await startSshd({ config: [`SetEnv DOCKER_HOST=${engine.env.DOCKER_HOST}`] })
  member = await createUser({ groups: ['docker'] })
  outsider = await createUser()
})

afterAll(async () => {
  for (const one of [member, outsider, sshd, engine]) await one[Symbol.asyncDispose]()
})

function connect(user: TestUser): Promise<RemoteHost> {
  return connectSsh({ name: 'lab', ssh: sshd.sshConfig(user.name) }, { resolveSecret, signal })
}

describe('looking at Docker over SSH', () => {
  it('works without sudo for a member of the group docker, through a symlink too', async () => {
    const real = join(member.home, 'real')
    await writeDockerDeployment(real, { project: 'looked' })
    await symlink(real, join(member.home, 'link'))
    await engine.compose(real, 'up', '-d', 'redis', 'app')
    await engine.docker(
      ...['run', '-d', '--name', 'linked', '--network', 'none', '--restart', 'on-failure:3'],
      ...['-v', `${member.home}/link/logs:/in`, LAB_IMAGE, 'sleep', '1000'],
    )
    await using host = await connect(member)
    const look = await lookAtDocker(host, { privilege: undefined, signal })
    expect(look.compose).toEqual({ v1: '1.29.2', v2: undefined })
    // Compose's versions are asked for once in a connection.
    expect((await lookAtDocker(host, { privilege: undefined, signal })).compose).toEqual(look.compose)
    const options = { deployment: real, config: {}, privilege: undefined, signal }
    const project = await findComposeProject(host, look, options)
    expect(project).toMatchObject({ project: 'looked', files: [`${real}/docker-compose.yml`] })
    const redis = findContainer('lab', look, project, { service: 'redis' })
    expect(pathOnServer(redis, '/data')?.path).toBe(`${real}/redis_data`)
    const users = containersUsing(look, [`${real}/logs`]).map(({ container }) => container.name)
    expect(users.sort()).toEqual(['linked', 'looked_app_1'])
    expect(look.containers.find(({ name }) => name === 'linked')?.restartPolicy).toBe('on-failure:3')
    const found = await findContainerServices(
      host,
      { manager: 'compose', data: ['redis'] },
      { deployment: real, paths: [`${real}/logs`, `${real}/redis_data`], privilege: undefined, signal },
    )
    expect(found.services).toMatchObject({ project: 'looked', renew: false, data: ['redis'], rest: ['app'] })
    expect(found.usersLeft.map(({ name }) => name)).toEqual(['linked'])
  })

  it('says which group a user is missing from', async () => {
    await using host = await connect(outsider)
    await expect(lookAtDocker(host, { privilege: undefined, signal })).rejects.toMatchObject({
      code: 'docker-denied',
      message: `${outsider.name} may not use Docker on lab`,
      details: { next: expect.stringContaining(`usermod -aG docker ${outsider.name}`) },
    })
  })

  it('says that the engine is down', async () => {
    await engine.stop()
    try {
      await using host = await connect(member)
      await expect(lookAtDocker(host, { privilege: undefined, signal })).rejects.toMatchObject({
        code: 'docker-down',
      })
    } finally {
      await engine.start()
    }
  })

  it('says that there is no docker', async () => {
    await using temp = await tempDir()
    const path = await busyboxTools(join(temp.path, 'tools'))
    await using host = new LocalHost({ shell: ['/bin/busybox', 'sh'], path })
    await expect(lookAtDocker(host, { privilege: undefined, signal })).rejects.toMatchObject({
      code: 'docker-missing',
    })
  })
})
