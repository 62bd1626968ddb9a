import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { loadConfig } from '../config/load.ts'
import { UsageError } from '../errors.ts'
import { ExitCode } from '../exit-codes.ts'
import { didYouMean } from '../model/nearest.ts'
import type { ChannelConfig } from '../model/notify-config.ts'
import { printable } from '../model/path-bytes.ts'
import { deliver, type Parcel } from '../notify/deliver.ts'
import { composeMessage } from '../notify/message.ts'
import { troubleLine } from '../report/trouble-line.ts'
import type { CommandContext, CommandOutcome } from './context.ts'
import { delivery } from './with-alerts.ts'

/** `notify test [CHANNEL…]`: a test message, or a good ping, to each. Exit 1 when none took it, 3 when some did. */
export async function notifyTest(context: CommandContext, names: readonly string[]): Promise<CommandOutcome> {
  const config = await loadConfig({ file: context.globals.config, cwd: context.cwd, env: context.env })
  const channels = chosen(config.notify, names)
  const results = await Promise.all(
    channels.map(async (channel) => ({
      channel: channel.name,
      error: await deliver(channel, parcelFor(channel, context), delivery(context), context.signal),
    })),
  )
  const failed = results.filter(({ error }) => error !== undefined).length
  return {
    exitCode: failed === 0 ? ExitCode.done : failed === results.length ? ExitCode.failed : ExitCode.partial,
    text: results
      .flatMap(({ channel, error }) =>
        error === undefined
          ? [`${channel}: taken`]
          : [
              `${channel}: ${printable(error.message)}`,
              ...(error.details.next === undefined ? [] : [`  Next: ${printable(error.details.next)}`]),
            ],
      )
      .join('\n'),
    quiet: results
      .flatMap(({ channel, error }) =>
        error === undefined
          ? []
          : [
              troubleLine({
                label: 'failed',
                where: channel,
                message: error.message,
                next: error.details.next,
              }),
            ],
      )
      .join('\n'),
    json: {
      ok: failed === 0,
      channels: results.map(({ channel, error }) => ({
        channel,
        ok: error === undefined,
        ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
      })),
    },
  }
}

function chosen(channels: readonly ChannelConfig[], names: readonly string[]): readonly ChannelConfig[] {
  if (channels.length === 0)
    throw new UsageError('The config has no channel', { next: 'Name one under `notify:`' })
  const known = channels.map(({ name }) => name)
  for (const name of names)
    if (!known.includes(name))
      throw new UsageError(`Unknown channel "${name}"`, {
        next: `${didYouMean(name, known)}Configured: ${known.join(', ')}`,
      })
  return names.length === 0 ? channels : channels.filter(({ name }) => names.includes(name))
}

function parcelFor({ to }: ChannelConfig, { now }: CommandContext): Parcel {
  const message = 'This is a test: alerts of backups arrive here.'
  if (to.kind === 'healthchecks' || to.kind === 'uptimeKuma')
    return { ping: { moment: 'end', id: randomUUID(), exitCode: 0, text: message, milliseconds: 0 } }
  return {
    message: composeMessage([{ event: 'success', code: 'test', message }], hostname(), now()),
  }
}
