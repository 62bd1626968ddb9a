import { createIndexBuilder } from '../archive/index-builder.ts'
import { createRecordSorter } from '../archive/record-sorter.ts'
import { createThrottle } from '../archive/throttle.ts'
import { writeArchive } from '../archive/write-archive.ts'
import { createEncryptor } from '../crypto/encryptor.ts'
import { exportWarning } from '../crypto/export-record.ts'
import type { Config } from '../model/config.ts'
import type { PlanDependencies } from '../pull/plan.ts'
import type { PullDependencies } from '../pull/dependencies.ts'
import { lockDeployment } from '../remote/deployment-lock.ts'
import { probeHost } from '../remote/probe.ts'
import { serverOf } from '../remote/server-of.ts'
import type { Reporter } from '../report/contract.ts'
import { createReporter } from '../report/reporter.ts'
import type { VisitDependencies } from '../runs/visit.ts'
import { openLog } from '../report/log.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import { findHelper } from '../services/helper.ts'
import { lookAtVersions } from '../services/versions.ts'
import { chooseCompression } from '../sources/compression-choice.ts'
import { sourceOf } from '../sources/registry.ts'
import { listingsDirectory, openListingStore } from '../state/listing-store.ts'
import { openLedgerMarks } from '../state/ledger-marks.ts'
import { accessFindings } from '../vault/access.ts'
import { openVault } from '../vault/open-vault.ts'
import { TOOL } from '../version.ts'
import type { CommandContext } from './context.ts'
import { sshConnector } from './ssh-connect.ts'

/** Parts that are wired; disposing them ends what they hold. */
export interface Wired<D> extends AsyncDisposable {
  readonly dependencies: D
}

/** Makes the encryptor of the config; see {@link createEncryptor}. */
export function wireEncryptor(context: CommandContext, config: Config): ReturnType<typeof createEncryptor> {
  return createEncryptor(config.encryption, {
    resolveSecret,
    now: context.now(),
    signal: context.signal,
  })
}

/** The parts of a pull, from the config. Disposing them ends the progress display and the log. */
export async function wirePull(
  context: CommandContext,
  config: Config,
  limits: { readonly bandwidth: number | undefined },
  /** Takes the place of {@link wireEncryptor} when the encryptor is made already. */
  made?: Awaited<ReturnType<typeof createEncryptor>>,
): Promise<Wired<PullDependencies>> {
  const { encryptor, findings } = made ?? (await wireEncryptor(context, config))
  const vault = await openVault(config.vault, {
    now: context.now,
    command: 'relay-backup pull',
    marks: openLedgerMarks(context.env),
  })
  const reporter = createReporter({
    ...context.progress,
    logger: await openLog(context.env, context.globals.verbose),
  })
  for (const finding of [...findings, ...(await accessFindings(config.vault, process.getuid?.()))]) {
    if (finding.outcome === 'ok') continue
    reporter.event({ type: 'warning', code: finding.check, message: finding.message, next: finding.next })
  }
  // Advice that is given once, and not to whoever wants to hear of trouble only.
  const notExported = context.globals.quiet
    ? undefined
    : await exportWarning(context.env, encryptor.recipients)
  if (notExported !== undefined) {
    reporter.event({
      type: 'warning',
      code: 'identity-not-exported',
      message: notExported,
      next: 'Keep a copy of the identity elsewhere: relay-backup key export --to FILE',
    })
  }
  const throttle = limits.bandwidth === undefined ? undefined : createThrottle(limits.bandwidth)
  return {
    dependencies: {
      ...wireVisits(context, reporter),
      lookAtVersions,
      vault,
      encryptor,
      writeArchive,
      createIndexBuilder,
      createSorter: createRecordSorter,
      listings: openListingStore(listingsDirectory(context.env)),
      throttle: (stream) => throttle?.(stream) ?? stream,
      resolveSecret,
      sourceOf,
      lockDeployment,
      serverOf: (ssh) => serverOf(ssh, context.signal),
      reporter,
      now: context.now,
      cause: context.cause,
      tool: TOOL,
    },
    [Symbol.asyncDispose]: () => reporter[Symbol.asyncDispose](),
  }
}

/** The parts of `pull --dry-run`: they connect and look. */
export function wirePlanning(context: CommandContext, vault: PlanDependencies['vault']): PlanDependencies {
  return {
    vault,
    now: context.now,
    // The plan itself says what is not honoured.
    ...visitsBy(sshConnector(context, () => {})),
    lookAtVersions,
    resolveSecret,
    sourceOf,
    describeCompression: (host, probe) => {
      const { wire, store } = chooseCompression(host.compression, probe)
      if (store === 'none') return 'not compressed'
      return wire === store ? `${store} on the server` : `${store} on this machine`
    },
  }
}

/** How servers are reached. A live list of the reporter ends before somebody at the terminal is asked. */
export function wireVisits(
  context: CommandContext,
  reporter: Reporter & { readonly makeRoom: () => Promise<void> },
): VisitDependencies {
  const warn = (message: string) => {
    // It is as somebody wrote it, every time, and in the error of a login that fails.
    if (context.globals.quiet) return
    reporter.event({ type: 'warning', code: 'ssh-config', message })
  }
  return visitsBy(sshConnector(context, warn, () => reporter.makeRoom()))
}

function visitsBy(connect: VisitDependencies['connect']): VisitDependencies {
  return {
    connect,
    probe: (remote, question, signal) => probeHost(remote, question, signal),
    findHelper,
  }
}
