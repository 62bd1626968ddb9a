import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A stand-in for Docker's plugin `docker compose`, which Debian 12 does not package. */
export interface ComposePlugin {
  /** For whatever is to find it: a directory with `cli-plugins` in it. */
  readonly env: { readonly DOCKER_CONFIG: string }
  /** What it was asked to do, one line a call. */
  calls(): Promise<readonly string[]>
}

/** Answers Docker's client as a plugin must, says that it is version 2, and has docker-compose do the work. */
export async function composePlugin(folder: string): Promise<ComposePlugin> {
  const plugins = join(folder, 'cli-plugins')
  const log = join(folder, 'calls')
  await mkdir(plugins, { recursive: true, mode: 0o755 })
  await writeFile(log, '')
  // Whoever is logged in calls it.
  await chmod(log, 0o666)
  await writeFile(
    join(plugins, 'docker-compose'),
    `#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{"SchemaVersion":"0.1.0","Vendor":"Lab","Version":"v2.27.0","ShortDescription":"Compose"}'
  exit 0
fi
shift
echo "$*" >>'${log}'
case $* in
  'version --short') echo 2.27.0 ;;
  version*) echo 'Docker Compose version v2.27.0' ;;
  *) exec /usr/bin/docker-compose "$@" ;;
esac
`,
    { mode: 0o755 },
  )
  return {
    env: { DOCKER_CONFIG: folder },
    calls: async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line !== ''),
  }
}
