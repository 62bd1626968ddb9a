import { randomBytes } from 'node:crypto'
import { RemoteError } from '../errors.ts'
import { fieldsOf } from '../model/talk.ts'
import { printable } from '../model/path-bytes.ts'
import { serviceLines, type ServerServices } from '../model/server-services.ts'
import type { Lease, Privilege, RemoteHost } from '../remote/contract.ts'
import { unknownProject } from './compose-project.ts'
import type { QuiesceRequest, QuiescedServices } from './contract.ts'
import { lookAtDocker } from './docker-look.ts'
import { findComposeProject } from './find-project.ts'
import { quiesceOrder } from './docker-services.ts'

/**
 * Stops or pauses those of the services that run, by a script on the server under a lease: however that ends, they
 * run again. Throws as findContainerServices, and RemoteError `hold-refused`; all run as before then.
 */
export async function quiesceServices(
  host: RemoteHost,
  request: QuiesceRequest,
  signal: AbortSignal,
): Promise<QuiescedServices> {
  const services = await servicesOf(host, request, signal)
  const { how } = request.quiesce
  const lease = await host.lease(
    {
      script: 'services/quiesce',
      patience: 'services',
      args: [request.deployment, randomBytes(6).toString('hex')],
      privilege: request.sudo ? 'sudo' : undefined,
      title: `holding services still (${how})`,
    },
    { firstLines: serviceLines(services), signal },
  )
  try {
    const answer = await ask(host, lease, how, signal)
    if (answer.reason === undefined) return new Quiesced(host, lease, answer.names)
    throw new RemoteError('hold-refused', `Services can't be held still: ${answer.reason}`, {
      host: host.name,
      command: `docker ${how}`,
      next: 'Correct that on the server, or change the quiesce of this source, then pull again. They run as before.',
    })
  } catch (error) {
    await lease[Symbol.asyncDispose]()
    throw error
  }
}

/** Throws what {@link quiesceServices} would throw about services that are not there. Changes nothing. */
export async function checkQuiesce(
  host: RemoteHost,
  request: QuiesceRequest,
  signal: AbortSignal,
): Promise<void> {
  await servicesOf(host, request, signal)
}

async function servicesOf(
  host: RemoteHost,
  request: QuiesceRequest,
  signal: AbortSignal,
): Promise<ServerServices> {
  const { services, quiesce, deployment } = request
  const privilege: Privilege | undefined = request.sudo ? 'sudo' : undefined
  switch (services.manager) {
    case 'none':
    case 'command':
      throw new Error(`quiesce with services.manager ${services.manager}`)
    case 'systemd': {
      const data = services.data.filter((unit) => quiesce.services.includes(unit))
      const rest = quiesce.services.filter((unit) => !data.includes(unit)).toReversed()
      return { manager: 'systemd', data, rest }
    }
    case 'docker': {
      const look = await lookAtDocker(host, { privilege, signal })
      const order = quiesceOrder(host.name, look, undefined, services.data, quiesce.services)
      return { manager: 'docker', ...order }
    }
    case 'compose': {
      const look = await lookAtDocker(host, { privilege, signal })
      const options = { deployment, config: services, privilege, signal }
      const project = await findComposeProject(host, look, options)
      if (project === undefined) throw unknownProject(host.name, deployment)
      const order = quiesceOrder(host.name, look, project, services.data, quiesce.services)
      return { manager: 'compose', project: project.project, args: project.args, renew: false, ...order }
    }
  }
}

class Quiesced implements QuiescedServices {
  readonly #host: RemoteHost
  readonly #lease: Lease
  readonly names: readonly string[]

  constructor(host: RemoteHost, lease: Lease, names: readonly string[]) {
    this.#host = host
    this.#lease = lease
    this.names = names
  }

  async resume(signal: AbortSignal): Promise<{ readonly unwell: string | undefined }> {
    const { reason, unwell } = await ask(this.#host, this.#lease, 'resume', signal)
    if (reason === undefined) return { unwell }
    throw new RemoteError('hold-resume', `Services that were held still do not run again: ${reason}`, {
      host: this.#host.name,
      next: `Start them on ${this.#host.name} by hand now, and look into their logs; the next pull tries it again`,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lease[Symbol.asyncDispose]()
  }
}

/** One command of the script, and its answer. */
async function ask(
  host: RemoteHost,
  lease: Lease,
  command: string,
  signal: AbortSignal,
): Promise<{ readonly names: readonly string[]; readonly unwell?: string; readonly reason?: string }> {
  lease.send(command)
  let unwell: string | undefined
  for (;;) {
    const line = await lease.nextLine(signal)
    const [verb, ...fields] = fieldsOf(line ?? '')
    if (verb === 'note') continue
    if (verb === 'ill') unwell = printable(fields.join(' '))
    else if (verb === 'ok' && fields[0] === command) {
      const names = (fields[1] ?? '').split(' ').filter((name) => name !== '')
      return { names, ...(unwell === undefined ? {} : { unwell }) }
    } else if (verb === 'failed' && fields[0] === command) {
      return { names: [], reason: printable(fields.slice(1).join(' ')) }
    } else {
      const { status, stderr } = await lease.release()
      throw new RemoteError('hold-cut-off', 'Holding services still on the server was cut off', {
        host: host.name,
        exitStatus: status,
        stderr: stderr === '' ? printable(line ?? '') : stderr,
        next: 'Look on the server that they run; the next pull starts what does not',
      })
    }
  }
}
