import { RemoteError } from '../errors.ts'
import { fieldLines } from '../model/talk.ts'
import { printable } from '../model/path-bytes.ts'
import { isOlder } from '../model/version-order.ts'
import type { HelperContainer, RemoteHost } from '../remote/contract.ts'
import type { FindHelper, FoundHelper } from './contract.ts'
import { insistOnEngine, shiftedBy } from './docker-answer.ts'

/** The first version of Docker's client that has an option not to pull. */
const CLIENT = [20, 10] as const

const found = new WeakMap<RemoteHost, Promise<FoundHelper>>()

/** See {@link FindHelper}. Asks once a connection. */
export const findHelper: FindHelper = (host, signal) => {
  const known = found.get(host)
  if (known !== undefined) return known
  const asked = lookForHelper(host, signal)
  found.set(host, asked)
  asked.catch(() => found.delete(host))
  return asked
}

async function lookForHelper(host: RemoteHost, signal: AbortSignal): Promise<FoundHelper> {
  const title = 'looking for a way to be root by Docker'
  const look = await host.run({ script: 'services/helper-look', patience: 'list', title }, { signal })
  try {
    const { helper, space } = parseHelperLook(host.name, look.stdout)
    await prove(host, helper, space, signal)
    return { privilege: helper }
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    return {
      refused: { message: error.message, next: error.details.next ?? 'Set `sudo: true` for the host.' },
    }
  }
}

/** Reads what `services/helper-look` prints. Throws RemoteError that says why there can be no helper. */
export function parseHelperLook(
  host: string,
  stdout: Buffer,
): { readonly helper: HelperContainer; readonly space: string } {
  const lines = fieldLines(stdout)
  const one = (verb: string): readonly string[] | undefined => lines.find((line) => line[0] === verb)
  insistOnEngine(host, lines)
  const [, client = '', security] = one('engine') ?? []
  const [, space = ''] = one('space') ?? []
  if (one('end') === undefined || space === '') {
    throw refusal(host, 'helper-unknown', 'what Docker there says is cut short', 'Run it again.')
  }
  if (shiftedBy(security) === 'rootless') {
    throw refusal(
      host,
      'helper-rootless',
      'its Docker is rootless, so a container there is not root of the server',
      useSudo(host),
    )
  }
  if (/^\d/.test(client) && isOlder(client, CLIENT.join('.'))) {
    throw refusal(
      host,
      'helper-old',
      `its docker is ${printable(client)}`,
      `Update it to ${CLIENT.join('.')}, or ${useSudo(host)}`,
    )
  }
  if (one('nsenter')?.[1] !== 'yes') {
    throw refusal(host, 'helper-nsenter', 'it has no nsenter', `Install util-linux, or ${useSudo(host)}`)
  }
  const [, image, name = ''] = one('image') ?? []
  if (image === undefined || !/^sha256:[0-9a-f]{64}$/.test(image)) {
    throw refusal(
      host,
      'helper-image',
      'its Docker has no image',
      `Let it have any, such as: docker pull busybox – or ${useSudo(host)}`,
    )
  }
  return { helper: { docker: { image, name: printable(name) } }, space }
}

/**
 * Runs it once. The run must say that it is root and in our own mount namespace, because the engine may be elsewhere.
 */
async function prove(
  host: RemoteHost,
  helper: HelperContainer,
  space: string,
  signal: AbortSignal,
): Promise<void> {
  const title = 'trying a helper container'
  const result = await host.run(
    { script: 'services/helper-proof', patience: 'list', privilege: helper, title },
    { signal },
  )
  const said = result.stdout.toString('utf8').trim()
  if (result.status === 0 && said === `0 ${space}`) return
  const why = result.stderr.split('\n').find((line) => line !== '') ?? said
  throw refusal(
    host.name,
    'helper-failed',
    `a container of ${helper.docker.name} does not get there: ${printable(why)}`,
    useSudo(host.name),
  )
}

function refusal(host: string, code: string, why: string, next: string): RemoteError {
  const sentence = next.charAt(0).toUpperCase() + next.slice(1)
  return new RemoteError(code, `root by Docker does not work on ${host}: ${why}`, { host, next: sentence })
}

function useSudo(host: string): string {
  return `set hosts.${host}.sudo: true`
}
