import { parseTarget } from '../model/target.ts'
import type { ConfigInput, HostInput } from './schema.ts'

/** A host with the keys of `defaults` that it lacks. A key replaces the default's whole value; only `ssh` is merged key by key. */
export function mergeDefaults(defaults: ConfigInput['defaults'], host: HostInput): HostInput {
  if (defaults === undefined) return host
  const merged = { ...defaults, ...host }
  if (defaults.ssh === undefined || host.ssh === undefined) return merged
  return { ...merged, ssh: { ...longForm(defaults.ssh), ...longForm(host.ssh) } }
}

type LongForm = Exclude<NonNullable<HostInput['ssh']>, string>

function longForm(ssh: NonNullable<HostInput['ssh']>): LongForm {
  return typeof ssh === 'string' ? { ...parseTarget(ssh) } : ssh
}
