import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { findConfigFile } from '../config/find-file.ts'
import { parseConfig } from '../config/load.ts'
import { deploymentProblem } from '../config/remote-path.ts'
import { InterruptedError, UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { closingWords, newHostWords } from '../init/advice.ts'
import { newConfigText, notCoveredLines, withHost } from '../init/config-text.ts'
import { parseRetention, RETENTIONS } from '../init/retention.ts'
import type { Config } from '../model/config.ts'
import { NAME_PATTERN } from '../model/names.ts'
import { printable } from '../model/path-bytes.ts'
import { parseTarget } from '../model/target.ts'
import { planPulls } from '../pull/plan.ts'
import { pullPlanTroubles } from '../report/pull-summary.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { requireFingerprint } from './hosts-trust.ts'
import type { InitFlags } from './init-flags.ts'
import { tell } from './tell.ts'
import { describeHost, nameProblem } from './init-host.ts'
import { makeIdentity, planIdentity, type IdentityFlags, type PlannedIdentity } from './init-identity.ts'
import { InitTalk } from './init-talk.ts'
import { alreadyThere, replaceConfig, writeNewConfig } from './init-write.ts'
import { pull } from './pull.ts'
import { wirePlanning } from './wire-pull.ts'

const DEFAULT_VAULT = '~/Documents/relay-backup'

/**
 * `init [TARGET]`: looks at a server, proposes what to back up, and writes the config and the keys. At a terminal it asks;
 * elsewhere, and with `--yes`, the flags and what is proposed decide. Until everything is decided nothing is written, and
 * what was written is taken back when the rest of it fails.
 */
export async function init(
  context: CommandContext,
  [target]: readonly string[],
  flags: InitFlags,
): Promise<CommandOutcome> {
  requireFingerprint(flags.fingerprint)
  const talk = context.interactive && flags.yes !== true ? new InitTalk(context) : undefined
  requireFlags(target, flags, talk)
  const { file, before } = await configPlace(context, flags, talk)
  const existing = before === undefined ? undefined : parseConfig(before, file, context.env)
  const { host, place } = await describeHost(context, target, flags, talk, existing)
  await using _ = place
  const chosen = before === undefined ? await chooseRest(context, file, flags, talk) : undefined
  const text = chosen === undefined ? withHost(before ?? '', host) : newConfigText(chosen.config, host)
  const config = parseConfig(text, file, context.env)
  const troubles = await tryOut(context, config, host.name)
  if (flags.dryRun === true)
    return {
      exitCode: ExitCode.done,
      text: text.trimEnd(),
      verbatim: true,
      json: { file, config: text, troubles },
    }
  if (talk !== undefined) {
    for (const line of troubles) tell(context, `  ${line}`)
    const question = `Write ${printable(file)}${chosen === undefined || chosen.identity.exists ? '' : ' and a new key pair'}?`
    if (!(await talk.yes(question))) throw new InterruptedError('Nothing was written')
  }
  const made = await writeAll(context, { file, before, text, identity: chosen?.identity })
  const isPulled = flags.pull ?? (talk === undefined ? false : await talk.yes('Take the first snapshot?'))
  const pulled = isPulled
    ? await pull({ ...context, globals: { ...context.globals, config: file } }, [host.name], { rotate: true })
    : undefined
  const words = {
    file,
    host: host.name,
    vault: config.vault,
    sources: host.sources.map(({ name }) => name),
    notCovered: host.notCovered.flatMap(notCoveredLines),
    troubles: isPulled ? [] : troubles,
    isPulled,
  }
  const closing =
    chosen === undefined
      ? newHostWords(words)
      : closingWords({
          ...words,
          identity: chosen.identity.privateFile,
          savedTo: chosen.identity.page ?? chosen.identity.copy,
          isPage: chosen.identity.page !== undefined,
          isLocked: made?.isLocked ?? true,
          keptIn: chosen.identity.keep,
        })
  return {
    exitCode: pulled?.exitCode ?? ExitCode.done,
    text: [...(pulled === undefined ? [] : [pulled.text, '']), ...closing].join('\n'),
    quiet: [...troubles, ...(pulled?.quiet ?? '').split('\n')].filter((line) => line !== '').join('\n'),
    json: { file, host: host.name, fingerprint: made?.fingerprint, troubles, pull: pulled?.json },
  }
}

/** Throws UsageError for what nobody can be asked about. */
function requireFlags(target: string | undefined, flags: InitFlags, talk: InitTalk | undefined): void {
  if (flags.quiesce !== undefined && !['pause', 'stop', 'none'].includes(flags.quiesce))
    throw new UsageError(`--quiesce ${flags.quiesce}: not understood`, { next: 'Write pause, stop or none' })
  if (flags.name !== undefined && !NAME_PATTERN.test(flags.name))
    throw new UsageError(`--name ${flags.name}: not usable`, { next: nameProblem(flags.name) })
  if (flags.deployment !== undefined) {
    const problem = deploymentProblem(flags.deployment)
    if (problem !== undefined)
      throw new UsageError(`--deployment ${flags.deployment}: ${problem}`, {
        next: 'Write it as /srv/app or ~/app',
      })
  }
  if (flags.retention !== undefined) parseRetention(flags.retention)
  if (talk !== undefined) return
  if (flags.yes !== true && flags.dryRun !== true)
    throw new UsageError('Nobody can be asked here', {
      next: 'Add --yes to take what is proposed, or --dry-run to see it first',
    })
  if (target === undefined)
    throw new UsageError('No server is named', { next: 'Name it: relay-backup init user@host --yes' })
  if (parseTarget(target) === undefined)
    throw new UsageError('That is no SSH target', {
      next: 'Write user@host, user@host:port, or an alias of ~/.ssh/config',
    })
}

/** Where the config is or goes, and what is in it. */
async function configPlace(
  context: CommandContext,
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<{ readonly file: string; readonly before: string | undefined }> {
  const { env, cwd } = context
  const named = context.globals.config ?? (env['RELAY_BACKUP_CONFIG'] || undefined)
  const there = await findConfigFile({ file: named, cwd, env }).catch((error: unknown) => {
    if (error instanceof UsageError && error.details.cause === undefined) return undefined
    throw error
  })
  if (there === undefined) {
    if (flags.addHost === true)
      throw new UsageError('There is no config yet that a host could be added to', {
        next: 'Leave out --add-host, or name the config: --config FILE',
      })
    return { file: resolve(cwd, named ?? 'hosts.yaml'), before: undefined }
  }
  const adds =
    flags.addHost === true ||
    (talk !== undefined &&
      (await talk.yes(`There is a config already: ${printable(there)}. Add a server to it?`)))
  if (!adds) throw alreadyThere(there)
  return { file: there, before: await readFile(there, 'utf8') }
}

interface Rest {
  readonly config: Parameters<typeof newConfigText>[0]
  readonly identity: PlannedIdentity
}

/** What a new config says besides its host. */
async function chooseRest(
  context: CommandContext,
  file: string,
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<Rest> {
  const retention =
    flags.retention === undefined
      ? talk === undefined
        ? 'usual'
        : await talk.choose('Which snapshots stay?', [
            {
              value: 'usual',
              name: 'the last 7, all of a week, one a day for a week, one a week for 4 weeks',
            },
            {
              value: 'long',
              name: 'the same, and one a day for 14 days, a week for 8 weeks, a month for a year',
            },
            { value: 'short', name: 'the last 7' },
          ])
      : undefined
  const vault =
    flags.vault ??
    (await talk?.text('Where shall the snapshots be on this machine?', {
      initial: DEFAULT_VAULT,
      problem: (text) => (text === '' ? 'a directory is needed' : undefined),
    })) ??
    DEFAULT_VAULT
  const identity = await planIdentity(
    context,
    file,
    flags.dryRun === true ? dryIdentity(flags) : flags,
    flags.dryRun === true ? undefined : talk,
  )
  return {
    config: {
      vault: flags.vault === undefined || vault.startsWith('~') ? vault : resolve(context.cwd, vault),
      recipient: identity.recipient,
      identity: identity.identity,
      identityPassphrase: identity.reference,
      retention: retention === undefined ? parseRetention(flags.retention ?? '') : RETENTIONS[retention],
    },
    identity,
  }
}

/** Nothing is made, so nobody needs a passphrase; but what the flags say of one belongs to the config. */
function dryIdentity({ identityCopy: _, identityPage: __, ...flags }: InitFlags): IdentityFlags {
  const { passphraseKeychain, passphraseEnv, passphraseFile, passphraseCommand } = flags
  const given = [passphraseKeychain, passphraseEnv, passphraseFile, passphraseCommand]
  return given.some((one) => one !== undefined) ? flags : { ...flags, passphrase: false }
}

/** What a first pull would stumble over, a line each: it is looked at as by `pull --dry-run`. */
async function tryOut(context: CommandContext, config: Config, name: string): Promise<readonly string[]> {
  tell(context, 'Trying the config out …')
  const hosts = config.hosts.filter((host) => host.name === name)
  const plans = await planPulls(hosts, {}, wirePlanning(context, undefined), context.signal)
  return pullPlanTroubles(plans, [])
}

/** Keys first and the config last: a config that is there names keys that are there. */
async function writeAll(
  context: CommandContext,
  what: {
    readonly file: string
    readonly before: string | undefined
    readonly text: string
    readonly identity: PlannedIdentity | undefined
  },
): Promise<Awaited<ReturnType<typeof makeIdentity>> | undefined> {
  const { file, before, text, identity } = what
  await using undo = new AsyncDisposableStack()
  if (before !== undefined) {
    await replaceConfig(file, before, text)
    return undefined
  }
  if (identity === undefined) throw new TypeError('a new config needs an identity')
  const made = await makeIdentity(context, identity, (work) => undo.defer(work))
  context.signal.throwIfAborted()
  await writeNewConfig(file, text)
  undo.move()
  return made
}
