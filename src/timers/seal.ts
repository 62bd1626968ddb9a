import { createHash } from 'node:crypto'
import type { TimerPlace } from './contract.ts'

const SEAL = /relay-backup-timer (\{.*\})/

/** What stands in a text of ours: where it calls to, and the hash of the rest. */
interface Seal {
  readonly format: 1
  readonly sha256: string
  readonly place: TimerPlace
}

/**
 * The line by which a text of ours is known again: JSON without a hyphen or an angle bracket, so that it may stand in any
 * comment, also in one of XML.
 */
export function sealFor(place: TimerPlace, rest: string): string {
  const seal: Seal = { format: 1, sha256: sha256(rest), place }
  return `relay-backup-timer ${JSON.stringify(seal).replaceAll(/[-<>&]/g, escaped)}`
}

/** What a text says of itself. `rest` is the text without its seal's line; it is whole when nobody has changed it. */
export function readSeal(text: string): {
  readonly place: TimerPlace | undefined
  readonly isWhole: boolean
} {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => SEAL.test(line))
  const json = SEAL.exec(lines[at] ?? '')?.[1]
  if (json === undefined) return { place: undefined, isWhole: false }
  try {
    const { place, sha256: hash } = JSON.parse(json) as Partial<Seal>
    if (!isPlace(place)) return { place: undefined, isWhole: false }
    return { place, isWhole: sha256(lines.toSpliced(at, 1).join('\n')) === hash }
  } catch {
    return { place: undefined, isWhole: false }
  }
}

/** Somebody may have written it. */
function isPlace(place: unknown): place is TimerPlace {
  if (typeof place !== 'object' || place === null) return false
  const { program, config, env } = place as Partial<Record<keyof TimerPlace, unknown>>
  return (
    Array.isArray(program) &&
    program.length > 0 &&
    program.every((word) => typeof word === 'string') &&
    typeof config === 'string' &&
    typeof env === 'object' &&
    env !== null &&
    Object.values(env).every((value) => typeof value === 'string')
  )
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
