import { parseAddress, type Fields, type Problem } from '../../config/contract.ts'
import { checksProblems } from '../checks.ts'
import type { EnginePlace } from '../kind.ts'

/** The config names a service or a container. */
export const isInContainer = ({ service, container }: Pick<Fields, string>): boolean =>
  service !== undefined || container !== undefined

/** Where the config says that a server is: at `port` of the host itself where it says nothing. */
export function placeOf(
  {
    service,
    container,
    address,
  }: {
    readonly service?: string | undefined
    readonly container?: string | undefined
    readonly address?: string | undefined
  },
  port: number,
): EnginePlace {
  if (service !== undefined) return { service }
  if (container !== undefined) return { container }
  const parsed = address === undefined ? undefined : parseAddress(address, port)
  return parsed ?? { address: '127.0.0.1', port }
}

/** What does not go together in the config of a source with `credentials`, `user`, `password`, `databases` and `checks`. */
export function serverProblems(source: Fields): Problem[] {
  const { credentials, user, password, databases } = source
  const problems: Problem[] = []
  if (credentials === 'container' && !isInContainer(source))
    problems.push({ path: ['credentials'], at: 'key', message: 'works only with service or container' })
  if (credentials !== undefined && (user !== undefined || password !== undefined)) {
    problems.push({
      path: ['credentials'],
      at: 'key',
      message: 'does not go together with user and password',
      suggestion: 'Keep one of the two',
    })
  }
  if (password !== undefined && user === undefined)
    problems.push({ path: ['password'], at: 'key', message: 'needs user beside it' })
  if (Array.isArray(databases)) {
    const twice = databases.findIndex((each, at) => databases.indexOf(each) !== at)
    if (twice !== -1) problems.push({ path: ['databases', twice], message: 'is named twice' })
  }
  const isOne = Array.isArray(databases) && databases.length === 1
  return [...problems, ...checksProblems(source, isOne, 'databases: [app]')]
}
