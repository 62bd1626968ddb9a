import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { OURS, Ours } from '../contenders/ours.ts'
import type { Scenario } from '../contract.ts'
import { FILE_SOURCES, writeFiles } from '../data/seed.ts'

const HOSTS = 1000
const JOBS = '50'

export const fleet: Scenario = {
  name: 'fleet',
  about: '1,000 small hosts, 50 at a time, all of them on one machine and behind one SSH server',
  async run({ lab, scale, record, say }) {
    const folder = join(lab.folder, 'fleet')
    const names = Array.from({ length: Math.ceil(HOSTS * scale) }, (_, index) => `host-${index}`)
    say(`writing ${names.length} deployments`)
    for (const name of names) await writeFiles(join(folder, name), 0.01)
    const ours = await Ours.create('fleet/ours', {
      lab,
      deployments: Object.fromEntries(names.map((name) => [name, join(folder, name)])),
      sources: FILE_SOURCES,
    })
    say('relay-backup')
    record('first', OURS, await lab.measure(ours.command('pull', '--all', '--jobs', JOBS)))
    record('unchanged', OURS, await lab.measure(ours.command('pull', '--all', '--jobs', JOBS)))
    say('shell pipe')
    const out = join(folder, 'shell')
    await mkdir(out)
    const one = `set -o pipefail; ssh -F ${lab.route.sshConfig} bench "tar -C '${folder}/$1' -c . | zstd -q -3" |
      gpg --batch --quiet --trust-model always --compress-algo none -e -r lab@example.com -o "${out}/$1"`
    const loop = `printf '%s\\n' ${folder}/host-* | xargs -n 1 basename | xargs -P ${JOBS} -I{} bash -c '${one.replaceAll("'", `'\\''`)}' bash {}`
    record('first', 'shell pipe', await lab.measure({ argv: ['bash', '-c', loop], env: lab.gpg.env }))
    await rm(folder, { recursive: true })
  },
}
