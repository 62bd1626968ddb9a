import { z } from 'zod'
import { ALERT_EVENTS } from '../model/notify-config.ts'
import { localPath, secret, text } from './contract.ts'

/** Kinds of channel, as `notify:` has them. */
export const CHANNELS = [
  'mail',
  'slack',
  'webhook',
  'telegram',
  'ntfy',
  'dingtalk',
  'feishu',
  'wecom',
  'healthchecks',
  'uptimeKuma',
  'command',
] as const
/** They are told of each run, so they have no `on`. */
export const PINGED: readonly string[] = ['healthchecks', 'uptimeKuma']

const address = () =>
  text('the address').regex(/^[^@\s]+@[^@\s]+$|<[^@\s]+@[^@\s]+>$/, 'write it like ops@example.com')
const url = () => z.string().regex(/^https?:\/\/[^\s/]+/, 'must begin with http:// or https://')

const smtp = z.strictObject({
  host: text('the host').describe('The mail server.'),
  port: z.int().min(1).max(65_535).optional().describe('Default 587; 465 with `tls: true`.'),
  tls: z
    .union([z.boolean(), z.literal('starttls')], { error: 'write starttls, true or false' })
    .optional()
    .describe(
      'starttls (the default): encrypted before anything is sent; true: from the first byte; false: never.',
    ),
  user: text('the user').optional().describe('The user to log in as.'),
  password: secret.optional().describe("The user's password."),
  ca: localPath().optional().describe('A file of certificates that are trusted instead of the system’s.'),
})

const robot = (what: string) =>
  z
    .strictObject({
      url: secret.describe("The robot's webhook address."),
      secret: secret.optional().describe('The key that signs, where the robot wants signatures.'),
    })
    .optional()
    .describe(what)

/** `notify:`: who is told of what. That each entry has one channel is a rule of rules.ts. */
export const notify = z
  .array(
    z.strictObject({
      mail: z
        .strictObject({
          to: z.union([address(), z.array(address()).min(1, 'name at least one')]).describe('Who gets it.'),
          from: address().describe('Whom it is from.'),
          smtp: smtp.describe('The mail server that sends it.'),
        })
        .optional()
        .describe('By SMTP.'),
      slack: secret.optional().describe('The address of a Slack incoming webhook.'),
      webhook: z
        .strictObject({
          url: url().describe('Gets the JSON that docs/design/operate.md describes.'),
          secret: secret.optional().describe('The key of the signature in the header.'),
        })
        .optional()
        .describe('Any HTTP server.'),
      telegram: z
        .strictObject({
          token: secret.describe("The bot's token."),
          chat: text('the chat').describe('The chat id, or @channel.'),
          server: url().optional().describe('Of the Bot API. Default https://api.telegram.org.'),
        })
        .optional()
        .describe('A Telegram bot.'),
      ntfy: z
        .strictObject({
          url: url().describe('Server and topic: https://ntfy.sh/my-topic.'),
          token: secret.optional().describe('The access token, where the topic wants one.'),
        })
        .optional()
        .describe('ntfy.'),
      dingtalk: robot('A DingTalk robot.'),
      feishu: robot('A Feishu (Lark) robot.'),
      wecom: z
        .strictObject({ url: secret.describe("The robot's webhook address.") })
        .optional()
        .describe('A WeCom robot.'),
      healthchecks: secret
        .optional()
        .describe('The ping address of a check at healthchecks.io or the like: start, success, exit code.'),
      uptimeKuma: secret.optional().describe('The address of a push monitor of Uptime Kuma.'),
      command: text('the command')
        .optional()
        .describe('A line of sh on this machine; it gets the text on stdin: apprise -t Backups mailto://…'),
      on: z
        .array(z.enum(ALERT_EVENTS))
        .min(1, 'name at least one event')
        .optional()
        .describe('What it is told of. Default: all but success.'),
    }),
  )
  .optional()
  .describe('Who is told when something needs a person.')
