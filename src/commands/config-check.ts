import { loadConfig } from '../config/load.ts'
import { ConfigError, type ConfigProblem } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { configuredKeyFiles } from './key-files.ts'
import { scheduleProblems, type CommandLine } from './schedule-line.ts'

/**
 * `config check`: says that the config is good and what it means, or throws ConfigError with every problem. A key file
 * that the config names and that can't be read is a problem, too, and so is a schedule of what the program can't run.
 */
export async function configCheck(context: CommandContext, line: CommandLine): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const problems = (await configuredKeyFiles(config.encryption, context.now())).flatMap(
    ({ role, problem }): ConfigProblem[] =>
      problem === undefined
        ? []
        : [
            {
              file: config.file,
              path: `encryption.${role === 'recipient' ? 'recipients' : 'identity'}`,
              message: problem.message,
              suggestion: problem.details.next,
            },
          ],
  )
  problems.push(...(await scheduleProblems(config, line)))
  if (problems.length > 0) {
    throw new ConfigError(problems)
  }
  const times = await scheduleTimes(config, context.now())
  return {
    exitCode: ExitCode.done,
    text: [checkText(config), ...times.lines].join('\n'),
    quiet: '',
    json: { ...checkJson(config), schedules: times.json },
  }
}

function checkText(config: Config): string {
  return [
    `${printable(config.file)}: ok`,
    `vault: ${printable(config.vault)}`,
    `encryption: ${encryptionText(config)}`,
    ...config.hosts.flatMap(hostLines),
  ].join('\n')
}

/** The schedules in words; what does the arithmetic is loaded only where there are some. */
async function scheduleTimes(
  { schedules }: Config,
  now: Date,
): Promise<{ readonly lines: readonly string[]; readonly json: readonly object[] }> {
  if (schedules.length === 0) return { lines: [], json: [] }
  const { momentWords, nextDue, timeWords } = await import('../schedule/times.ts')
  const { sameTime } = await import('../schedule/notices.ts')
  return {
    lines: [
      ...schedules.map((one) => {
        const next = momentWords(nextDue(one, now), now, one.timeZone)
        return `schedule ${one.name}: ${timeWords(one)}, next: ${next}: ${one.run.join(' ')}`
      }),
      ...sameTime(schedules, now).map(
        ([one, other, at]) =>
          `note: ${one} and ${other} are due at one time (${momentWords(at, now, undefined)}): where they run on the same host, one finds it locked and does nothing`,
      ),
    ],
    json: schedules.map((one) => ({
      name: one.name,
      when: timeWords(one),
      next: nextDue(one, now).toISOString(),
      run: one.run,
    })),
  }
}

function encryptionText({ encryption }: Config): string {
  if (encryption.mode === 'passphrase') return 'passphrase'
  return `to ${encryption.recipients.map(printable).join(', ')}`
}

function hostLines(host: HostConfig): string[] {
  const tags = host.tags.length === 0 ? '' : ` [${host.tags.join(', ')}]`
  const sources = host.sources.map((source) => `${source.name} (${source.kind})`).join(', ')
  return [
    `${host.name}${tags}: ${printable(targetText(host))}, ${printable(host.deployment)}`,
    `  sources: ${sources}${host.sourcesByDefault ? ', those that exist there' : ''}`,
  ]
}

function targetText({ ssh }: HostConfig): string {
  const host = ssh.host.includes(':') ? `[${ssh.host}]` : ssh.host
  return `${ssh.user === undefined ? '' : `${ssh.user}@`}${host}${ssh.port === undefined || ssh.port === 22 ? '' : `:${ssh.port}`}`
}

function checkJson(config: Config): object {
  return {
    ok: true,
    file: config.file,
    vault: config.vault,
    encryption: { mode: config.encryption.mode },
    hosts: config.hosts.map((host) => ({
      name: host.name,
      target: targetText(host),
      deployment: host.deployment,
      tags: host.tags,
      sources: host.sources.map(({ name, kind }) => ({ name, kind })),
      sourcesByDefault: host.sourcesByDefault,
    })),
  }
}
