import pLimit from 'p-limit'
import { RelayError } from '../errors.ts'
import type { Checked, CheckReport } from '../model/check-report.ts'
import type { Config, HostConfig } from '../model/config.ts'
import type { Finding } from '../model/finding.ts'
import { printable } from '../model/path-bytes.ts'
import { secretsOf } from '../model/notify-config.ts'
import type { SecretReference } from '../model/secret.ts'
import { formatCount } from '../model/units.ts'
import { kindOf } from '../sources/registry.ts'
import { bounded, failed } from './bounded.ts'
import { checkHost } from './check-host.ts'
import type { CheckDependencies, CheckRequest } from './dependencies.ts'
import { judgeDisk, judgeSpace } from './judge.ts'
import { largest, openVault, type OpenedVault } from './opened-vault.ts'

/** Hosts at a time. */
const JOBS = 8

/**
 * Looks whether everything that backups and restores need is in order: on this machine, and on each host side by side.
 * Changes nothing, and nothing that one check finds keeps another from being made. Throws only InterruptedError.
 */
export async function checkAll(
  { config, hosts, limit }: CheckRequest,
  dependencies: CheckDependencies,
  signal: AbortSignal,
): Promise<CheckReport> {
  const opened = openVault(dependencies)
  const bound = { limit, signal }
  const turns = pLimit(JOBS)
  const parts = await Promise.all([
    checkSecrets(config, hosts, dependencies, bound),
    bounded({ check: 'keys' }, bound, async (each) => checkKeys(await dependencies.checkKeys(each))),
    bounded({ check: 'vault' }, bound, () => checkVault(config, opened, dependencies)),
    bounded({ check: 'schedules' }, bound, async (each) =>
      (await dependencies.timerFindings(each)).map((one) => ({ check: 'schedules' as const, ...one })),
    ),
    bounded({ check: 'space' }, bound, () => checkSpace(config, hosts, opened, dependencies)),
    ...hosts.map((host) => turns(() => checkHost(host, config.alerts, opened, dependencies, bound))),
  ])
  return { checks: [configured(config, hosts), ...parts.flat()], hosts: hosts.map(({ name }) => name) }
}

function configured(config: Config, hosts: readonly HostConfig[]): Checked {
  const sources = hosts.reduce((sum, host) => sum + host.sources.length, 0)
  const what = `${formatCount(hosts.length, 'host')}, ${formatCount(sources, 'source')}`
  return { check: 'config', outcome: 'ok', message: `${printable(config.file)}: ${what}` }
}

/** A secret of the config, and where it is named there. */
interface NamedSecret {
  readonly at: string
  readonly reference: SecretReference
}

async function checkSecrets(
  config: Config,
  hosts: readonly HostConfig[],
  { resolveSecret }: CheckDependencies,
  bound: { readonly limit: number; readonly signal: AbortSignal },
): Promise<readonly Checked[]> {
  const named = namedSecrets(config, hosts)
  if (named.length === 0) return []
  const found = await Promise.all(
    named.map(({ at, reference }) =>
      bounded<Checked>({ check: 'secrets' }, bound, async (signal) => {
        await resolveSecret(reference, signal)
        return []
      }).then((problems) => problems.map((one) => ({ ...one, message: `${at}: ${one.message}` }))),
    ),
  )
  const problems = found.flat()
  if (problems.length > 0) return problems
  const message = `${formatCount(named.length, 'secret')} can be read`
  return [{ check: 'secrets', outcome: 'ok', message }]
}

/** Each secret that is named, once. */
export function namedSecrets(
  { encryption, notify }: Config,
  hosts: readonly HostConfig[],
): readonly NamedSecret[] {
  const all: { at: string; reference: SecretReference | undefined }[] = [
    encryption.mode === 'passphrase'
      ? { at: 'encryption.passphrase', reference: encryption.passphrase }
      : { at: 'encryption.identityPassphrase', reference: encryption.identityPassphrase },
    ...hosts.flatMap(({ name, ssh, services, sources }) => [
      { at: `hosts.${name}.ssh.identityPassphrase`, reference: ssh.identityPassphrase },
      { at: `hosts.${name}.ssh.password`, reference: ssh.password },
      ...Object.entries((services.manager === 'command' && services.secrets) || {}).map(
        ([key, reference]) => ({ at: `hosts.${name}.services.secrets.${key}`, reference }),
      ),
      ...sources.flatMap((source) =>
        Object.entries(kindOf(source.kind).secrets?.(source) ?? {}).map(([key, reference]) => ({
          at: `hosts.${name}.sources.${source.name}.${key}`,
          reference,
        })),
      ),
    ]),
    ...notify.flatMap(({ name, to }) =>
      secretsOf(to).map((reference) => ({ at: `notify ${name}`, reference })),
    ),
  ]
  const known = new Set<string>()
  return all.flatMap(({ at, reference }) => {
    const text = JSON.stringify(reference)
    if (reference === undefined || known.has(text)) return []
    known.add(text)
    return [{ at, reference }]
  })
}

/** One line where all is well; the same trouble is told once. */
function checkKeys(findings: readonly Finding[]): readonly Checked[] {
  const troubles = findings.filter(({ outcome }) => outcome !== 'ok')
  const told = troubles.filter(
    ({ message }, at) => troubles.findIndex((other) => other.message === message) === at,
  )
  if (told.length > 0) return told.map(as('keys'))
  const says = ['recipients-usable', 'identity-opens']
  const message = findings.flatMap((one) => (says.includes(one.check) ? [one.message] : [])).join('; ')
  return [{ check: 'keys', outcome: 'ok', message }]
}

async function checkVault(
  config: Config,
  opened: OpenedVault,
  dependencies: CheckDependencies,
): Promise<readonly Checked[]> {
  const vault = await opened
  const findings = (await dependencies.vaultFindings()).map(as('vault'))
  const broken = vault instanceof RelayError ? [{ check: 'vault' as const, ...failed(vault) }] : []
  if (broken.length + findings.length > 0) return [...broken, ...findings]
  const state = vault === undefined ? ': the first pull makes it' : ': only you can write to it'
  return [{ check: 'vault', outcome: 'ok', message: `${printable(config.vault)}${state}` }]
}

async function checkSpace(
  { alerts }: Config,
  hosts: readonly HostConfig[],
  opened: OpenedVault,
  { vaultDisk }: CheckDependencies,
): Promise<readonly Checked[]> {
  const vault = await opened
  const disk = await vaultDisk()
  let bytes = 0
  if (vault !== undefined && !(vault instanceof RelayError))
    for (const { name } of hosts) bytes += await largest(vault, name)
  const need = bytes === 0 ? undefined : { bytes, what: 'a full pull of all' }
  const space = judgeSpace('for the vault', disk.free, need)
  const full = judgeDisk('of the vault', disk, alerts.disk)
  const told = full.length === 0 ? space : [...space.filter(({ outcome }) => outcome !== 'ok'), ...full]
  return told.map((one) => ({ check: 'space', ...one }))
}

function as(check: Checked['check']) {
  return ({ outcome, message, next }: Finding): Checked => ({ check, outcome, message, next })
}
