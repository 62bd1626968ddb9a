import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Stands in for systemd, which needs to be the first process: a unit's state is a file. */
const SYSTEMCTL = `#!/bin/sh
cd "$(dirname "$0")/units" || exit 1
echo "$*" >>../log
verb=$1; shift
case $verb in
  is-active)
    cat "$2" 2>/dev/null || echo inactive
    grep -qx active "$2" 2>/dev/null ;;
  show) echo "NRestarts=$(cat "$4.restarts" 2>/dev/null || echo 0)" ;;
  stop|start)
    shift
    for unit; do
      if [ -e "$unit.refuses-$verb" ]; then echo "Job for $unit failed." >&2; exit 1; fi
      if [ "$verb" = stop ]; then echo inactive >"$unit"; else echo active >"$unit"; fi
    done ;;
esac
`

/** A systemctl with units of its own. */
export interface LabSystemctl {
  /** Writes a unit's state, or one of the files that make it behave: `UNIT.restarts`, `UNIT.refuses-stop`. */
  set(name: string, text: string): Promise<void>
  unset(name: string): Promise<void>
  state(unit: string): Promise<string>
  /** What was stopped and started, in order: `stop -- app.service`. */
  log(): Promise<readonly string[]>
}

/** Puts it into a directory of programs, in place of what is there. */
export async function labSystemctl(
  folder: string,
  units: Readonly<Record<string, string>>,
): Promise<LabSystemctl> {
  await mkdir(join(folder, 'units'), { recursive: true })
  await rm(join(folder, 'systemctl'), { force: true })
  await writeFile(join(folder, 'systemctl'), SYSTEMCTL, { mode: 0o755 })
  await writeFile(join(folder, 'log'), '')
  const file = (name: string) => join(folder, 'units', name)
  for (const [unit, state] of Object.entries(units)) await writeFile(file(unit), `${state}\n`)
  return {
    set: (name, text) => writeFile(file(name), `${text}\n`),
    unset: (name) => rm(file(name)),
    state: async (unit) => (await readFile(file(unit), 'utf8')).trim(),
    log: async () =>
      (await readFile(join(folder, 'log'), 'utf8')).split('\n').filter((line) => /^(start|stop) /.test(line)),
  }
}
