/**
 * Every program that a test or the bench starts, with the Debian package that brings it. Programs of Debian's required
 * packages (coreutils, tar, util-linux …) are on every machine and need no line. The tests' PATH holds what stands here
 * and these, so a program that nobody declared is not found (`set-up.ts`).
 */
export const PROGRAMS: Readonly<Record<string, string>> = {
  // Servers, and what talks to them.
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  'ssh-agent': 'openssh-client',
  'ssh-add': 'openssh-client',
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  'redis-check-rdb': 'redis-tools',
  'redis-check-aof': 'redis-tools',
  psql: 'postgresql-client',
  pg_ctlcluster: 'postgresql',
  mariadb: 'mariadb-client',
  'mariadb-dump': 'mariadb-client',
  mariadbd: 'mariadb-server',
  'mariadb-install-db': 'mariadb-server',
  dockerd: 'docker.io',
  'docker-proxy': 'docker.io',
  'docker-init': 'docker.io',
  containerd: 'containerd',
  'containerd-shim-runc-v2': 'containerd',
  runc: 'runc',
  iptables: 'iptables',
  docker: 'docker.io',
  'docker-compose': 'docker-compose',
  // What the program itself, its archives and its scripts on a server use.
  gpg: 'gnupg',
  gpgconf: 'gnupg',
  zstd: 'zstd',
  openssl: 'openssl',
  sudo: 'sudo',
  busybox: 'busybox',
  ps: 'procps',
  pgrep: 'procps',
  setfacl: 'acl',
  getfacl: 'acl',
  setfattr: 'attr',
  getfattr: 'attr',
  ip: 'iproute2',
  git: 'git',
  // What a server has for SQLite databases.
  sqlite3: 'sqlite3',
  // What keeps schedules, and reads what is written for it.
  crontab: 'cron',
  'systemd-analyze': 'systemd',
  // Readers of what the program prints for shells and for man.
  zsh: 'zsh',
  fish: 'fish',
  mandoc: 'mandoc',
  // The bench and its peers.
  python3: 'python3',
  time: 'time',
  rsync: 'rsync',
  restic: 'restic',
  borg: 'borgbackup',
}
