import { expected, type RelayError } from '../errors.ts'
import type { AlertsConfig } from '../model/config.ts'
import type { ChannelConfig } from '../model/notify-config.ts'
import type { StatusReport } from '../model/status-report.ts'
import { conditionsOf } from './conditions.ts'
import { deliver, type DeliveryDependencies } from './deliver.ts'
import { dueAlerts, type Alert, type Told } from './due.ts'
import { composeMessage } from './message.ts'

/** What channels were told, between runs. */
export interface ToldStore {
  recall(host: string | undefined): Promise<Readonly<Record<string, Told>>>
  remember(host: string | undefined, told: Readonly<Record<string, Told>>): Promise<void>
}

export interface TellDependencies extends DeliveryDependencies {
  readonly store: ToldStore
  /** The name of this computer. */
  readonly machine: string
}

/** A channel that did not take what it was to be told; `notify` where it is no channel's fault. */
export interface Undelivered {
  readonly channel: string
  readonly error: RelayError
  /** The hosts that it was not told of; empty where no host alone is concerned. */
  readonly hosts: readonly string[]
}

/**
 * Tells each channel what is due by this status, all channels side by side. What one does not take is due again next time.
 *
 * @param good hosts of which a pull has just made a complete backup, for `success`
 */
export async function tellStatus(
  channels: readonly ChannelConfig[],
  report: StatusReport,
  good: readonly string[],
  { remindEvery }: AlertsConfig,
  dependencies: TellDependencies,
  signal: AbortSignal,
): Promise<Undelivered[]> {
  const { store, machine, now } = dependencies
  const at = now()
  const conditions = conditionsOf(report)
  const told = new Map<string | undefined, Record<string, Told>>()
  const due = new Map<ChannelConfig, { alerts: Alert[]; told: Map<string | undefined, Told> }>()
  for (const host of [undefined, ...report.hosts.map((one) => one.host)]) {
    const before = { ...(await store.recall(host)) }
    told.set(host, before)
    const own = conditions.filter((one) => one.host === host)
    // Of a vault that is not there, not mounted for one, nobody knows what is over.
    if (host === undefined && own.length === 0 && report.disk === undefined) continue
    for (const channel of channels.filter(({ on }) => on.length > 0)) {
      const found = dueAlerts(host, own, before[channel.name] ?? {}, { on: channel.on, remindEvery, now: at })
      const entry = due.get(channel) ?? { alerts: [] as Alert[], told: new Map<string | undefined, Told>() }
      entry.alerts.push(...found.alerts, ...successes(host, good, channel))
      entry.told.set(host, found.told)
      due.set(channel, entry)
    }
  }
  const undelivered = await Promise.all(
    [...due].map(async ([channel, { alerts, told: after }]): Promise<Undelivered[]> => {
      const message = composeMessage(alerts, machine, at)
      const error =
        alerts.length === 0 ? undefined : await deliver(channel, { message }, dependencies, signal)
      if (error !== undefined) {
        const hosts = [...new Set(alerts.flatMap(({ host }) => host ?? []))]
        return [{ channel: channel.name, error, hosts }]
      }
      for (const [host, one] of after) Object.assign(told.get(host) ?? {}, { [channel.name]: one })
      return []
    }),
  )
  const names = new Set(channels.map(({ name }) => name))
  let unkept: RelayError | undefined
  for (const [host, one] of told) {
    const kept = Object.entries(one).filter(
      ([name, troubles]) => names.has(name) && Object.keys(troubles).length > 0,
    )
    await store.remember(host, Object.fromEntries(kept)).catch((thrown: unknown) => {
      unkept = expected(thrown)
    })
  }
  return [
    ...undelivered.flat(),
    ...(unkept === undefined ? [] : [{ channel: 'notify', error: unkept, hosts: [] }]),
  ]
}

function successes(host: string | undefined, good: readonly string[], { on }: ChannelConfig): Alert[] {
  if (host === undefined || !good.includes(host) || !on.includes('success')) return []
  return [{ event: 'success', host, code: 'success', message: 'a complete backup was made' }]
}
