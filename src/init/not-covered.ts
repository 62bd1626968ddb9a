import { isWithin, type Discovery } from '../model/discovery.ts'

/** A database that this version can't back up. */
export interface NotCovered {
  readonly title: string
  /** Where it is: `service db`, `on the server itself`. */
  readonly where: string
  /** What it keeps on the server; a copy of it while it runs would be torn. */
  readonly paths: readonly string[]
}

interface Engine {
  readonly title: string
  /** Names of images. */
  readonly image?: RegExp
  /** Where the image keeps its data. */
  readonly data?: RegExp
  readonly programs?: readonly string[]
}

const ENGINES: readonly Engine[] = [
  {
    title: 'MongoDB',
    image: /^(mongo|mongodb|mongodb-community-server|ferretdb)$/,
    data: /\/db$|mongo/,
    programs: ['mongod'],
  },
  { title: 'ClickHouse', image: /^clickhouse(-server)?$/, data: /clickhouse/, programs: ['clickhouse-serv'] },
  { title: 'InfluxDB', image: /^influxdb\d?$/, data: /influx/, programs: ['influxd'] },
  { title: 'Elasticsearch', image: /^elasticsearch$/, data: /\/data$/ },
  { title: 'OpenSearch', image: /^opensearch$/, data: /\/data$/ },
  { title: 'Cassandra', image: /^cassandra$/, data: /cassandra/ },
  { title: 'CouchDB', image: /^couchdb$/, data: /couchdb/ },
  { title: 'Neo4j', image: /^neo4j$/, data: /\/data$/ },
  { title: 'Qdrant', image: /^qdrant$/, data: /storage/ },
  { title: 'Meilisearch', image: /^meilisearch$/, data: /data/ },
  { title: 'Microsoft SQL Server', image: /^(mssql-server|server)$/, data: /mssql/ },
]

/** What has to be looked for on a server, so that {@link notCovered} can tell. */
export const NOT_COVERED_PROGRAMS: readonly string[] = ENGINES.flatMap(({ programs = [] }) => programs)

/** The databases among what was found that no kind of source knows. */
export function notCovered(found: Discovery): readonly NotCovered[] {
  return ENGINES.flatMap((engine) => [
    ...found.containers
      .filter(({ image }) => engine.image?.test(image) ?? false)
      // A name that says little has to keep its data where this engine does.
      .filter(
        ({ image, mounts }) => image !== 'server' || mounts.some((one) => engine.data?.test(one.destination)),
      )
      .map(({ service, name, mounts }) => ({
        title: engine.title,
        where: service === undefined ? `container ${name}` : `service ${service}`,
        paths: mounts.filter((one) => engine.data?.test(one.destination)).map(({ source }) => source),
      })),
    ...found.programs
      .filter(({ name }) => engine.programs?.includes(name) ?? false)
      // It has many processes of one name.
      .filter(({ name }, at, all) => all.findIndex((one) => one.name === name) === at)
      .map(({ directory }) => ({
        title: engine.title,
        where: 'on the server itself',
        paths:
          directory !== undefined && isWithin(directory, found.deployment) && directory !== found.deployment
            ? [directory]
            : [],
      })),
  ])
}
