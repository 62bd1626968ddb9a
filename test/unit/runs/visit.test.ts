import { expect, test } from 'vitest'
import { RemoteError } from '../../../src/errors.ts'
import type { HostConfig } from '../../../src/model/config.ts'
import type { HostProbe, RemoteHost } from '../../../src/remote/contract.ts'
import { visit, type VisitDependencies, type VisitRequest } from '../../../src/runs/visit.ts'

const host = { name: 'prod', deployment: '~/app', sudo: false } as HostConfig
const { signal } = new AbortController()

/** A server that answers like this; `closed` counts how often its connection was closed. */
function server(probe: Partial<HostProbe> | Error) {
  const seen = { closed: 0, questions: [] as unknown[] }
  const remote = {
    name: 'prod',
    allow: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => void (seen.closed += 1),
  } as Partial<RemoteHost> as RemoteHost
  const dependencies: VisitDependencies = {
    connect: () => Promise.resolve(remote),
    probe: async (_remote, question) => {
      seen.questions.push(question)
      if (probe instanceof Error) throw probe
      return { access: 'shell', home: '/home/app', user: 'app', uid: 7, versions: {}, ...probe } as HostProbe
    },
    findHelper: () => Promise.reject(new Error('nobody asks')),
  }
  return { seen, go: (request: VisitRequest = {}) => visit(host, request, dependencies, signal) }
}

test('a visit has the connection, the answers and the deployment, and closes the connection at its end', async () => {
  const { seen, go } = server({ deployment: '/srv/real/app' })
  const steps: string[] = []
  {
    await using place = await go({ names: ['data'], step: (text) => steps.push(text) })
    expect(place).toMatchObject({ host, deployment: '/srv/real/app', privilege: undefined, signal })
    expect(seen.closed).toBe(0)
  }
  expect(seen).toEqual({ closed: 1, questions: [{ deployment: '~/app', names: ['data'], sudo: false }] })
  expect(steps).toEqual(['connecting', 'looking around'])
})

test('a deployment that is not there yet has the path it would have', async () => {
  await using place = await server({ deployment: undefined }).go()
  expect(place.deployment).toBe('/home/app/app')
  await using known = await server({ deployment: undefined }).go({ deployment: '/opt/app' })
  expect(known.deployment).toBe('/opt/app')
})

test.each([
  ['no-deployment', { deployment: undefined }, { insists: true }],
  ['needs-shell', { deployment: '/app', access: 'sftp' as const }, { shellFor: 'restore' }],
  ['script', new RemoteError('script', 'nonsense'), {}],
])('a visit that ends with %s leaves no connection', async (code, probe, request) => {
  const { seen, go } = server(probe)
  await expect(go(request)).rejects.toMatchObject({ code })
  expect(seen.closed).toBe(1)
})
