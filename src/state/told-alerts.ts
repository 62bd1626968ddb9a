import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { RelayError } from '../errors.ts'
import { ALERT_EVENTS } from '../model/notify-config.ts'
import { stateDirectory } from './directory.ts'
import { putJson } from './put-file.ts'

/** What each channel was told of one host, by the channel's name. */
const toldSchema = z.record(
  z.string(),
  z.record(
    z.string(),
    z.object({
      event: z.enum(ALERT_EVENTS),
      about: z.string(),
      since: z.iso.datetime(),
      at: z.iso.datetime(),
    }),
  ),
)
type ToldAlerts = z.infer<typeof toldSchema>

/** Which host of which vault; `host` is undefined for what concerns no host alone. */
interface Place {
  /** Its absolute path. */
  readonly vault: string
  readonly host: string | undefined
}

/**
 * What channels were told, kept outside of the vault: files of mode 0600 under `$XDG_STATE_HOME/relay-backup/alerts`. One that
 * can't be read or makes no sense is as if nothing was told: then something is told twice, and nothing is kept back.
 * Throws RelayError `alerts-unkept` when one can't be written.
 */
export function openToldAlerts(env: NodeJS.ProcessEnv): {
  recall(place: Place): Promise<ToldAlerts>
  remember(place: Place, told: ToldAlerts): Promise<void>
} {
  const fileOf = ({ vault, host }: Place): string => {
    const where = createHash('sha256').update(vault).digest('hex').slice(0, 16)
    const name = host === undefined ? 'vault.json' : `host-${encodeURIComponent(host)}.json`
    return join(stateDirectory(env), 'alerts', where, name)
  }
  return {
    recall: async (place) => {
      try {
        return toldSchema.parse(JSON.parse(await readFile(fileOf(place), 'utf8')))
      } catch {
        return {}
      }
    },
    remember: async (place, told) => {
      const file = fileOf(place)
      try {
        await putJson(file, told)
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
        const message = `What the channels were told can't be kept (${code}: ${file}), so they will be told again`
        const next = `Make it writable for you, with room on its disk: ls -ld ${stateDirectory(env)}`
        throw new RelayError('alerts-unkept', message, { next, cause: error })
      }
    },
  }
}
