import { createWriteStream } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { SourceError } from '../../../src/errors.ts'
import type { LoadableSource } from '../../../src/sources/contract.ts'
import { tablePath, unlock } from './capture.ts'
import type { ToyConfig, ToyFacts } from './kind.ts'

const LOADER = `verb=$1 name=$2 to=$3 home=$4
[ -e "$home/.up" ] || {
  echo 'the toy does not run'
  exit 2
}
[ ! -e "$home/.password" ] || {
  IFS= read -r password
  [ "$password" = "$(cat "$home/.password")" ] || {
    echo 'the toy does not know this password'
    exit 2
  }
}
case $verb in
  exists) [ -e "$home/$name" ] ;;
  rename) [ ! -e "$home/.refuses-$verb" ] && mv -T -- "$home/$name" "$home/$to" ;;
  drop) rm -- "$home/$name" ;;
esac`

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

export const loadableToy: LoadableSource<ToyConfig, ToyFacts> = {
  downCode: 'toy-down',
  look: async (context, config) => {
    await access(tablePath(context, config, '.up')).catch(() => {
      throw new SourceError('toy-down', 'the toy does not run', { next: 'Start it.' })
    })
    await unlock(context, config)
    const isThere = await exists(tablePath(context, config, config.table))
    return { version: { name: '1', version: '1' }, names: isThere ? [config.table] : [] }
  },
  preflight: async (context, config) => {
    await loadableToy.look(context, config)
    return { findings: [], notes: [] }
  },
  targets: async (context, config, _facts, { id, archives }) => {
    const isThere = await exists(tablePath(context, config, config.table))
    const named = (what: string) => `${config.table}_${what}_${id}`
    return archives.map(({ file }) => ({
      archive: file,
      target: config.table,
      staged: named('new'),
      aside: named('old'),
      failed: named('failed'),
      exists: isThere,
    }))
  },
  loader: ({ probe }, { home }) =>
    Promise.resolve({ script: LOADER, args: [join(probe.deployment ?? '/', home)] }),
  secret: ({ password }) => password,
  load: async (context, config, _facts, { staged }, dump) => {
    await unlock(context, config)
    await pipeline(dump, createWriteStream(tablePath(context, config, staged)), { signal: context.signal })
  },
  check: async (context, config, { lines }) => {
    await unlock(context, config)
    const text = await readFile(tablePath(context, config, config.table), 'utf8')
    const found = text.split('\n').length - 1
    const check = 'toy-lines'
    if (found === lines) return [{ check, outcome: 'ok', message: `${lines} lines, as expected` }]
    return [
      { check, outcome: 'failed', message: `${found} lines, and not ${lines}`, next: 'Look at the toy.' },
    ]
  },
}
