import { serverOfHost, serversInContainers } from '../database/propose.ts'
import type { KindDiscovery } from '../kind.ts'

const CONTAINERS = {
  kind: 'mysql',
  image: /^(mysql|mysql-server|percona|percona-server|mariadb|mariadb-galera)$/,
  data: /mysql|mariadb/i,
}
const PROGRAMS = ['mariadbd', 'mysqld']

/** How servers of MySQL and MariaDB are found: in containers by their image, on the server itself by their program. */
export const mysqlDiscovery: KindDiscovery = {
  programs: PROGRAMS,
  propose: (found) => [
    ...serversInContainers(found, CONTAINERS),
    ...(found.programs.some(({ name }) => PROGRAMS.includes(name))
      ? [serverOfHost('mysql', '127.0.0.1:3306')]
      : []),
  ],
}
