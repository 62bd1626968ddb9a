import type { KindDiscovery } from '../kind.ts'

const IMAGE = /^(mysql|mysql-server|percona|percona-server|mariadb|mariadb-galera)$/
const DATA = /mysql|mariadb/i
const PROGRAMS = ['mariadbd', 'mysqld']

/** How servers of MySQL and MariaDB are found: in containers by their image, on the server itself by their program. */
export const mysqlDiscovery: KindDiscovery = {
  programs: PROGRAMS,
  propose: (found) => [
    ...found.containers
      .filter(({ image }) => IMAGE.test(image))
      .map(({ service, name, mounts }) => {
        const paths = mounts.filter(({ destination }) => DATA.test(destination)).map(({ source }) => source)
        return {
          name: service ?? name,
          config: { kind: 'mysql', ...(service === undefined ? { container: name } : { service }) },
          paths,
          bytes: paths[0] === undefined ? undefined : found.sizes.get(paths[0]),
          dataService: service ?? name,
        }
      }),
    ...(found.programs.some(({ name }) => PROGRAMS.includes(name))
      ? [
          {
            name: 'mysql',
            config: { kind: 'mysql', address: '127.0.0.1:3306' },
            paths: [],
            bytes: undefined,
            note: 'add the user, and the password as a secret',
            isDoubtful: true,
          },
        ]
      : []),
  ],
}
