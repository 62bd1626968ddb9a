import { selectHosts, type HostSelection } from '../config/select-hosts.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { aliases, isAlias } from '../remote/openssh/alias.ts'
import type { CommandContext } from './context.ts'

/**
 * As {@link selectHosts}; a name that the config does not have may be an alias of OpenSSH's config, and is an ad-hoc
 * target then.
 *
 * @throws UsageError for a name that is neither; ConnectionError when OpenSSH's config is wrong.
 */
export async function chooseHosts(
  { signal }: Pick<CommandContext, 'signal'>,
  config: Config,
  selection: HostSelection,
): Promise<readonly HostConfig[]> {
  const known = new Set(config.hosts.map(({ name }) => name))
  const adHoc: string[] = []
  let unknown = false
  for (const name of selection.names) {
    if (known.has(name) || name.includes('@')) continue
    if (await isAlias(name, signal)) adHoc.push(name)
    else unknown = true
  }
  return selectHosts(config, { ...selection, adHoc, alsoKnown: unknown ? await aliases() : [] })
}
