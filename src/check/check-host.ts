import { LockedError, RelayError, RemoteError } from '../errors.ts'
import type { Checked, CheckName } from '../model/check-report.ts'
import type { AlertsConfig, HealthLimits, HostConfig, SourceConfig } from '../model/config.ts'
import { Disposables } from '../model/disposables.ts'
import type { VaultDisk } from '../model/status-report.ts'
import { printable } from '../model/path-bytes.ts'
import { describeProject } from '../model/server-services.ts'
import { decodeText, wholeRecords } from '../model/talk.ts'
import { formatCount } from '../model/units.ts'
import { lookAtSources } from '../pull/look-at-sources.ts'
import { describePrivilege } from '../pull/privilege.ts'
import { namesToProbe, selectSources } from '../pull/select-sources.ts'
import { claimSessions, configuredPrivilege, visit, type Visit } from '../runs/visit.ts'
import { kindOf } from '../sources/registry.ts'
import { hostStatus } from '../status/read-status.ts'
import { bounded, failed } from './bounded.ts'
import { lookAtDeploymentLock } from '../remote/deployment-lock.ts'
import { lookAtVersions } from '../services/versions.ts'
import type { CheckDependencies } from './dependencies.ts'
import {
  judgeBackup,
  judgeClock,
  judgeDisk,
  judgeLeftovers,
  judgeSpace,
  judgeTools,
  type Judged,
} from './judge.ts'
import { largest, type OpenedVault } from './opened-vault.ts'
import { waitHealthy } from '../services/health.ts'
import { checkQuiesce } from '../services/quiesce.ts'

interface Bound {
  readonly limit: number
  readonly signal: AbortSignal
}

/** ms; a health URL that is slower than that counts as silent. */
const HEALTH_PATIENCE = 5000

/** Everything about one host. Throws only what the signal says. */
export async function checkHost(
  host: HostConfig,
  alerts: AlertsConfig,
  opened: OpenedVault,
  dependencies: CheckDependencies,
  bound: Bound,
): Promise<readonly Checked[]> {
  const [there, backup] = await Promise.all([
    checkServer(host, alerts, opened, dependencies, bound),
    look(host, 'backup', bound, async () => {
      const vault = await opened
      if (vault instanceof RelayError) return []
      return judgeBackup(await hostStatus(vault, host.name, alerts, dependencies.now()))
    }),
  ])
  return [...there, ...backup]
}

async function checkServer(
  host: HostConfig,
  alerts: AlertsConfig,
  opened: OpenedVault,
  dependencies: CheckDependencies,
  bound: Bound,
): Promise<readonly Checked[]> {
  await using stack = new Disposables()
  let place: Visit | undefined
  const connection = await look(host, 'connection', bound, async (signal) => {
    const reached = visit(
      host,
      { names: namesToProbe(host), insists: true, looksOnly: true },
      dependencies,
      signal,
    )
    stack.use({
      [Symbol.asyncDispose]: async () => {
        const closed = reached.then((one) => one[Symbol.asyncDispose]())
        closed.catch(() => undefined)
        // A connection that comes after the bound is closed when it comes.
        if (place !== undefined) await closed
      },
    })
    place = await reached
    const { probe, remote, deployment } = place
    const few = await claimSessions({ ...place, signal }).then(
      () => [],
      (error: unknown) => {
        if (error instanceof RemoteError) return [failed(error)]
        throw error
      },
    )
    const who = probe.uid < 0 ? [] : [`as ${probe.user} (uid ${probe.uid})${host.sudo ? ', with sudo' : ''}`]
    const { notHonoured = [] } = remote
    return [
      {
        outcome: 'ok',
        message: printable([probe.os, ...who, deployment].filter((part) => part !== '').join(', ')),
      },
      ...few,
      ...(notHonoured.length === 0
        ? []
        : [
            {
              outcome: 'warning' as const,
              message: `OpenSSH's config says, and is not followed: ${notHonoured.map(printable).join(', ')}`,
            },
          ]),
    ]
  })
  if (place === undefined) return connection
  const visited: Visit = { ...place, signal: bound.signal }
  const { probe } = visited
  const isShell = probe.access === 'shell'
  const tools = await look(host, 'tools', bound, () => Promise.resolve(judgeTools(probe, host)))
  const space = await look(host, 'space', bound, async () => {
    const vault = await opened
    const known = vault === undefined || vault instanceof RelayError ? 0 : await largest(vault, host.name)
    const need =
      known === 0 ? undefined : { bytes: known, what: 'a restore, which unpacks beside what is there,' }
    return judgeSpace('on the server', probe.freeBytes, need)
  })
  const sources = await checkSources(visited, alerts.health, dependencies, bound)
  const services = isShell
    ? await look(host, 'services', bound, (signal) => checkServices({ ...visited, signal }))
    : []
  const left = isShell ? await checkLeft(visited, alerts, dependencies, bound) : []
  return [...connection, ...tools, ...space, ...sources, ...services, ...left]
}

/** One check of a host. */
async function look(
  { name }: HostConfig,
  check: CheckName,
  bound: Bound,
  work: (signal: AbortSignal) => Promise<readonly Judged[]>,
  source?: string,
): Promise<readonly Checked[]> {
  const about = { check, host: name, ...(source === undefined ? {} : { source }) }
  return await bounded<Checked>(about, bound, async (signal) =>
    (await work(signal)).map((one) => ({ ...about, ...one })),
  )
}

/** Each source as a pull would find it: its path, the rights, its server, and the credentials for that. */
async function checkSources(
  place: Visit,
  limits: HealthLimits,
  dependencies: CheckDependencies,
  bound: Bound,
): Promise<readonly Checked[]> {
  const { host, probe } = place
  let selected: readonly SourceConfig[] = []
  const missing = await look(host, 'source', bound, async () => {
    selected = selectSources(host, undefined, probe.existing).sources
    return []
  })
  const checked: (readonly Checked[])[] = []
  // One after another: a server may open few sessions at once.
  for (const source of selected)
    checked.push(
      await look(
        host,
        'source',
        bound,
        async (signal) => await checkSource({ ...place, signal }, source, limits, dependencies),
        source.name,
      ),
    )
  return [...missing, ...checked.flat()]
}

async function checkSource(
  place: Visit,
  source: SourceConfig,
  limits: HealthLimits,
  dependencies: CheckDependencies,
): Promise<readonly Judged[]> {
  const options = { excludes: false, health: limits }
  const [found] = await lookAtSources(place, [source], dependencies, options)
  if (found === undefined) throw new Error('a source was not looked at')
  const { chosen, notices, error } = found
  if (error !== undefined) return [failed(error)]
  const health = (found.health ?? []).map((note): Judged => ({ ...note, check: 'health' }))
  if (notices.length > 0)
    return [
      ...notices.map((notice): Judged => ({
        outcome: 'warning',
        message: notice.replace(`${source.name}: `, ''),
        next: `See what a pull would take: relay-backup pull ${place.host.name} --source ${source.name} --dry-run`,
      })),
      ...health,
    ]
  const how = [
    printable(kindOf(source.kind).describe(source)),
    describePrivilege(chosen?.privilege),
    ...(found.found ?? []),
  ]
  const message = how.filter((part) => part !== undefined).join(', ')
  return [{ outcome: 'ok', message }, ...health]
}

/** The services that a restore stops and starts, as far as they can be found without that, and their health. */
async function checkServices({ host, remote, deployment, signal }: Visit): Promise<readonly Judged[]> {
  const { services, sudo } = host
  const found: Judged[] = []
  if (services.manager === 'compose' || services.manager === 'docker') {
    const { project, problem } = await lookAtVersions(remote, services, { deployment, sudo, signal })
    if (problem !== undefined)
      found.push({ outcome: 'warning', message: problem.message, next: problem.next })
    if (project === 'unknown')
      found.push({
        outcome: 'warning',
        message: 'no Compose project is known in the deployment: nothing of it runs',
        next: 'Start it, or name its files with services.file, or set services.manager to what runs it.',
      })
    const names = [...services.data, ...(services.stop ?? [])]
    if (names.length > 0 && project !== 'unknown')
      await checkQuiesce(
        remote,
        { services, quiesce: { how: 'stop', services: names }, deployment, sudo },
        signal,
      )
    if (found.length === 0)
      found.push({
        outcome: 'ok',
        message:
          project === undefined || project === 'unknown'
            ? formatCount(names.length, 'container')
            : describeProject(project),
      })
  }
  if (services.manager === 'systemd') {
    const units = [...new Set([...services.data, ...services.stop])]
    const states = await lookThere({ host, remote, deployment, signal }, units)
    const unknown = units.filter((unit) => states.units.get(unit) !== 'loaded')
    found.push(
      unknown.length === 0
        ? { outcome: 'ok', message: units.join(', ') }
        : {
            outcome: 'failed',
            message: `systemd does not know ${unknown.map(printable).join(', ')}`,
            next: `Correct hosts.${host.name}.services in the config; the units are: systemctl list-units`,
          },
    )
  }
  const { health } = services
  if (health === undefined) return found
  const timeout = Math.min(health.timeout, HEALTH_PATIENCE)
  const unwell = await waitHealthy(remote, { ...health, timeout }, signal)
  if (unwell !== undefined)
    found.push({
      outcome: 'warning',
      message: `the health check is red: ${unwell}`,
      next: 'Correct services.health, or see what is wrong with the app: a restore waits for this address.',
    })
  else if (found.length === 0) found.push({ outcome: 'ok', message: `${health.url} answers` })
  return found
}

/** What is ours there, the clock, and the disk: one question. */
async function checkLeft(
  place: Visit,
  alerts: AlertsConfig,
  { now }: CheckDependencies,
  bound: Bound,
): Promise<readonly Checked[]> {
  const { host, remote, probe, deployment } = place
  const told: Judged[] = []
  return await look(host, 'leftovers', bound, async (signal) => {
    const before = now().getTime()
    const { time, disk, kept, left } = await lookThere({ host, remote, deployment, signal }, [])
    // The answer tells whole seconds.
    if (time !== undefined) {
      const clock = judgeClock(time, before - 1000, now().getTime(), alerts.health.clock)
      told.push({ ...clock, check: 'clock' })
    }
    if (disk !== undefined)
      told.push(
        ...judgeDisk('of the server', disk, alerts.disk).map((one) => ({ ...one, check: 'space' as const })),
      )
    const { openJournals, quiesced } = probe
    const locked = await lookAtDeploymentLock(remote, deployment, { sudo: host.sudo, signal }).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof LockedError) return error
        throw error
      },
    )
    const judged = judgeLeftovers(host.name, { openJournals, quiesced, kept, left })
    if (locked === undefined) return [...judged, ...told]
    const others = judged.filter(({ outcome }) => outcome !== 'ok')
    return [...others, { ...failed(locked), outcome: 'warning' as const }, ...told]
  })
}

/** Asks check/look. Throws RemoteError when the answer is not whole. */
async function lookThere(
  { host, remote, deployment, signal }: Pick<Visit, 'host' | 'remote' | 'deployment' | 'signal'>,
  units: readonly string[],
) {
  const title = 'looking at what is left and at the clock'
  const privilege = configuredPrivilege(host)
  const result = await remote.run(
    { script: 'check/look', args: [deployment, ...units], privilege, patience: 'list', title },
    { signal },
  )
  const records = wholeRecords(result.stdout)
  if (records === undefined)
    throw new RemoteError('script', "The server's answer about itself is incomplete", {
      host: host.name,
      command: title,
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'Try again.',
    })
  const of = (word: string) =>
    records.filter(([first]) => first === word).map(([, ...fields]) => fields.map(decodeText))
  const [[time = ''] = []] = of('time')
  return {
    time: /^\d{1,12}$/.test(time) ? Number(time) * 1000 : undefined,
    disk: parseDf(of('disk')[0]?.[0]),
    kept: of('kept').map(([name = '', kib]) => ({ name, bytes: Number(kib ?? 0) * 1024 })),
    left: of('left').map(([path = '']) => path),
    units: new Map(of('unit').map(([unit = '', state = '']) => [unit, state])),
  }
}

/** The last line of `df -Pk`: blocks of 1 KiB in all, used, and free for us. */
function parseDf(line = ''): Pick<VaultDisk, 'used' | 'free'> | undefined {
  const [, used, free] = /\s\d+\s+(\d+)\s+(\d+)\s+\d+%/.exec(line)?.map(Number) ?? []
  if (used === undefined || free === undefined || used + free === 0) return undefined
  return { used: used / (used + free), free: free * 1024 }
}
