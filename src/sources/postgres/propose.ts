import type { KindDiscovery } from '../kind.ts'

const IMAGE = /^(postgres(ql)?|postgis|pgvector|timescaledb(-ha)?|pgvecto-rs|postgresql-repmgr)$/
const DATA = /postgres|pgdata/i
const PROGRAM = 'postgres'

/** How servers of PostgreSQL are found: in containers by their image, on the server itself by their program. */
export const postgresDiscovery: KindDiscovery = {
  programs: [PROGRAM],
  propose: (found) => [
    ...found.containers
      .filter(({ image }) => IMAGE.test(image))
      .map(({ service, name, mounts }) => {
        const paths = mounts.filter(({ destination }) => DATA.test(destination)).map(({ source }) => source)
        return {
          name: service ?? name,
          config: { kind: 'postgres', ...(service === undefined ? { container: name } : { service }) },
          paths,
          bytes: paths[0] === undefined ? undefined : found.sizes.get(paths[0]),
          dataService: service ?? name,
        }
      }),
    ...(found.programs.some(({ name }) => name === PROGRAM)
      ? [
          {
            name: 'postgres',
            config: { kind: 'postgres', address: '127.0.0.1:5432' },
            paths: [],
            bytes: undefined,
            note: 'add the user, and the password as a secret',
            isDoubtful: true,
          },
        ]
      : []),
  ],
}
