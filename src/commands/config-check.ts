import { loadConfig } from '../config/load.ts'
import { ConfigError, type ConfigProblem } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Config, HostConfig } from '../model/config.ts'
import { printable } from '../model/path-bytes.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { configuredKeyFiles } from './key-files.ts'

/**
 * `config check`: says that the config is good and what it means, or throws ConfigError with every problem. A key file
 * that the config names and that can't be read is a problem, too.
 */
export async function configCheck(context: CommandContext): Promise<CommandOutcome> {
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
  if (problems.length > 0) {
    throw new ConfigError(problems)
  }
  return { exitCode: ExitCode.done, text: checkText(config), quiet: '', json: checkJson(config) }
}

function checkText(config: Config): string {
  return [
    `${printable(config.file)}: ok`,
    `vault: ${printable(config.vault)}`,
    `encryption: ${encryptionText(config)}`,
    ...config.hosts.flatMap(hostLines),
  ].join('\n')
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

function checkJson(config: Config): unknown {
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
