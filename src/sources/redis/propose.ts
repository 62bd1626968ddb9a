import {
  asWritten,
  isWithin,
  type Discovery,
  type FoundContainer,
  type ProposedSource,
} from '../../model/discovery.ts'
import type { KindDiscovery } from '../kind.ts'
import { redisEngine } from './engine.ts'

/** Images of Redis and of what descends from it; not those of its tools (redis_exporter, redis-commander). */
const IMAGE = /^(redis|redis-stack|redis-stack-server|valkey|keydb)$/
/** Where these images keep their data. */
const DATA = /^\/(data|bitnami\/(redis|valkey)\/data|var\/lib\/(redis|valkey))$/
/** Where Debian's and others' packages keep it. */
const PACKAGED = '/var/lib/redis'
/** What a data directory is recognised by. */
const DUMP = 'dump.rdb'

/** How Redis servers are found: in containers by their image, on the server itself by their program. */
export const redisDiscovery: KindDiscovery = {
  programs: redisEngine.programs,
  files: [{ name: DUMP, begins: 'REDIS' }],
  propose: (found) => [...inContainers(found), ...onServer(found)],
}

function inContainers(found: Discovery): ProposedSource[] {
  return found.containers.filter(isRedis).flatMap((container) => {
    const mount = container.mounts.find(({ destination }) => DATA.test(destination))
    // Without a mount its data goes with its container.
    if (mount === undefined) return []
    const { service, name } = container
    const reached = service === undefined ? { container: name } : { service }
    return [
      {
        name: service ?? name,
        config: { kind: 'redis', path: asWritten(found, mount.source), ...reached },
        paths: [mount.source],
        bytes: found.sizes.get(mount.source),
        dataService: service ?? name,
      },
    ]
  })
}

function isRedis({ image }: FoundContainer): boolean {
  return IMAGE.test(image)
}

function onServer(found: Discovery): ProposedSource[] {
  const own = found.programs.filter(({ name }) => redisEngine.programs.includes(name))
  const servers = own.map(({ directory, address }) => ({
    // The directory of another user's program is not told.
    path: directory !== undefined && directory !== '/' ? directory : onlyDump(found, own.length),
    address,
  }))
  const isHere = ({ path }: (typeof servers)[number]): boolean =>
    path !== undefined && isWithin(path, found.deployment)
  // Where one keeps its data in the deployment, the others are somebody else's.
  const others = servers.filter((one) => !isHere(one))
  const isOnly = others.length === 1 && others.length === servers.length
  return [...servers.filter(isHere), ...others].map((server) => {
    const { path = PACKAGED, address } = server
    const port = address?.replace(/^.*:/, '')
    return {
      name: 'redis_data',
      config: {
        kind: 'redis',
        path: asWritten(found, path),
        ...(port === undefined ? {} : { address: `127.0.0.1:${port}` }),
      },
      paths: [path],
      bytes:
        found.sizes.get(path) ??
        found.entries.find(({ name }) => path === `${found.deployment}/${name}`)?.bytes,
      ...(server.path === undefined
        ? { note: 'its directory could not be seen; redis-cli config get dir says it' }
        : {}),
      ...(isHere(server) || isOnly ? {} : { isDoubtful: true }),
    }
  })
}

/** The directory of the deployment's only dump, where just one server runs. */
function onlyDump({ files }: Discovery, servers: number): string | undefined {
  const dumps = files.filter(({ path }) => path.endsWith(`/${DUMP}`))
  return servers === 1 && dumps.length === 1 ? dumps[0]?.path.slice(0, -DUMP.length - 1) : undefined
}
