import type { AlertEvent } from '../model/notify-config.ts'
import type { Condition } from './conditions.ts'

/** Something that a channel is to be told. */
export interface Alert {
  readonly event: AlertEvent
  readonly host?: string | undefined
  readonly code: string
  readonly message: string
  readonly next?: string | undefined
  /** Since when it holds, ISO 8601, where it was told before. */
  readonly since?: string | undefined
}

/** What a channel was told of one host, or of what concerns none, by the code of the trouble; of an anomaly, with what it is about. */
export type Told = Readonly<Record<string, ToldTrouble>>

export interface ToldTrouble {
  readonly event: AlertEvent
  readonly about: string
  /** When it was first told, ISO 8601, UTC. */
  readonly since: string
  /** When it was last told. */
  readonly at: string
}

/** What is due, and what the channel has been told once it is delivered. */
export interface Due {
  readonly alerts: readonly Alert[]
  readonly told: Told
}

export interface DueOptions {
  /** What the channel wants to be told of. */
  readonly on: readonly AlertEvent[]
  /** ms after which a trouble that still holds is told again. */
  readonly remindEvery: number
  readonly now: Date
}

/** Anomalies may hold side by side; of each other trouble a host has one. */
const keyOf = ({ code, about }: Condition) => (code === 'anomaly' ? `${code} ${about}` : code)

/**
 * Conditions under which nobody knows that another one is over: what can't be read says nothing, a host without a backup
 * has lost what was wrong with it, and a failing host without a backup is told as failing alone.
 */
const HIDES: Readonly<Record<string, (key: string) => boolean>> = {
  unreadable: () => true,
  never: () => true,
  failing: (key) => key === 'never',
}

/**
 * What a channel is to be told of one host now: a trouble once, again when it is another one, or after `remindEvery` ms;
 * and that it is over. A clock that was set back or ahead by more than that reminds once.
 *
 * @param conditions of this host alone
 */
export function dueAlerts(
  host: string | undefined,
  conditions: readonly Condition[],
  told: Told,
  { on, remindEvery, now }: DueOptions,
): Due {
  const alerts: Alert[] = []
  const next: Record<string, ToldTrouble> = {}
  const at = now.toISOString()
  const keep = (key: string, before: ToldTrouble | undefined) => {
    if (before !== undefined) next[key] = before
  }
  for (const condition of conditions) {
    const { event, code, about, message, next: step } = condition
    const key = keyOf(condition)
    const before = told[key]
    if (!on.includes(event)) {
      // It still holds, as something that this channel does not hear of: it is over later.
      keep(key, before)
      continue
    }
    const isSame = before?.about === about && before.event === event
    const since = isSame ? before.since : at
    if (isSame && Math.abs(now.getTime() - Date.parse(before.at)) < remindEvery) {
      keep(key, before)
      continue
    }
    alerts.push({ event, host, code, message, next: step, ...(isSame ? { since } : {}) })
    next[key] = { event, about, since, at }
  }
  const holds = new Set(conditions.map(keyOf))
  const gone = Object.entries(told).filter(([key]) => !holds.has(key))
  const hidden = gone.filter(([key]) => conditions.some(({ code }) => HIDES[code]?.(key)))
  for (const [key, before] of hidden) keep(key, before)
  const over = gone.filter((entry) => !hidden.includes(entry))
  if (on.includes('recovered'))
    alerts.push(
      ...over.map(([key, { event, since }]) => ({
        event: 'recovered' as const,
        host,
        code: key.split(' ')[0] ?? key,
        message: `over: ${event.replaceAll('-', ' ')}`,
        since,
      })),
    )
  return { alerts, told: next }
}
