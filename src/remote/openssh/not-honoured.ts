import { printable } from '../../model/path-bytes.ts'
import { isOn, valueOf } from './settings.ts'
import type { Settings } from './settings.ts'

/**
 * Keywords that decide how OpenSSH connects or logs in and that this program does not follow. What concerns only
 * sessions at a terminal, forwardings, shared connections and OpenSSH's own messages has no place here.
 */
const NOT_HONOURED = [
  'AddKeysToAgent',
  'BindInterface',
  'CASignatureAlgorithms',
  'CheckHostIP',
  'Ciphers',
  'HostbasedAuthentication',
  'HostKeyAlgorithms',
  'KexAlgorithms',
  'KnownHostsCommand',
  'MACs',
  'NoHostAuthenticationForLocalhost',
  'PKCS11Provider',
  'ProxyUseFdpass',
  'PubkeyAcceptedAlgorithms',
  'RequiredRSASize',
  'SecurityKeyProvider',
  'VerifyHostKeyDNS',
] as const

const OFF = /^(no|none|false)$/i

/** ssh_config(5): host keys are checked less with these. */
const LESS_STRICT = /^(no|false|off|accept-new)$/i

/**
 * What the config of OpenSSH says of a destination and this program does not do, as OpenSSH spells it.
 *
 * @param defaults what OpenSSH does without a config
 */
export function notHonoured(settings: Settings, defaults: Settings): string[] {
  const differs = (keyword: string) => {
    const value = settings.get(keyword)?.join(' ')
    return value !== undefined && !OFF.test(value) && value !== defaults.get(keyword)?.join(' ')
  }
  const strict = settings.get('stricthostkeychecking')?.[0] ?? ''
  return [
    ...NOT_HONOURED.filter((name) => differs(name.toLowerCase())),
    ...(LESS_STRICT.test(strict) ? [`StrictHostKeyChecking ${strict.replace('false', 'no')}`] : []),
    ...(isOn(settings, 'permitlocalcommand') && valueOf(settings, 'localcommand') !== undefined
      ? ['LocalCommand']
      : []),
  ]
}

/** For a person. */
export function notHonouredText(keywords: readonly string[]): string {
  return `not honoured of OpenSSH's config: ${keywords.map(printable).join(', ')}`
}
