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

/** What a channel was told of one host, or of what concerns none, by the code of the trouble. */
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
  for (const { event, code, about, message, next: step } of conditions) {
    if (!on.includes(event)) continue
    const before = told[code]
    const isSame = before?.about === about && before.event === event
    const since = isSame ? before.since : at
    if (isSame && Math.abs(now.getTime() - Date.parse(before.at)) < remindEvery) {
      next[code] = before
      continue
    }
    alerts.push({ event, host, code, message, next: step, ...(isSame ? { since } : {}) })
    next[code] = { event, about, since, at }
  }
  const holds = new Set(conditions.map(({ code }) => code))
  const over = Object.entries(told).filter(([code]) => !holds.has(code))
  if (on.includes('recovered'))
    alerts.push(
      ...over.map(([code, { event, since }]) => ({
        event: 'recovered' as const,
        host,
        code,
        message: `over: ${event.replaceAll('-', ' ')}`,
        since,
      })),
    )
  return { alerts, told: next }
}
