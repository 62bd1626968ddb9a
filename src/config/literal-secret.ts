import { allKinds } from '../sources/registry.ts'

/** A variable or option that names a secret; not the file or the variable that it is in. */
const NAME =
  '(?:[a-z0-9_-]*[_-])?(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credentials?|pgpassword|[a-z]*cli_auth)'
/** The beginning of a value that is written there, and not taken from a variable, a file or a command. */
const LITERAL = `(?!["']?(?:\\$|\`|<)|["']{2}|\\s|$)\\S`

const LOOKS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`(?:^|[\\s;&|?("'])(?:--?)?${NAME}=${LITERAL}`, 'i'), 'a value for what is called a secret'],
  [new RegExp(`(?:^|\\s)--${NAME}\\s+(?!-)${LITERAL}`, 'i'), 'an option with a secret'],
  [new RegExp(`\\bsshpass\\s+-p\\s*${LITERAL}`), 'a password for sshpass'],
  [
    new RegExp(`\\bcurl\\b[^;&|]*\\s(?:-u|--user)[\\s=]*["']?[^\\s:$]+:${LITERAL}`),
    'a user and password for curl',
  ],
  [new RegExp(`\\bauthorization:\\s*(?:basic|bearer|token)\\s+${LITERAL}`, 'i'), 'an Authorization header'],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@$]*:(?!["']?[$`<])[^\s/@]+@/i, 'an address with a password'],
  [
    /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|glpat-[\w-]{16,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.eyJ[\w-]{10,})/,
    'a token',
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key'],
]

/** The same of the programs of the kinds: what stands before the secret. */
function looksOfKinds(): readonly (readonly [RegExp, string])[] {
  return allKinds().flatMap(({ engine }) =>
    (engine?.passwordOptions ?? []).map(
      (before) => [new RegExp(`${before}${LITERAL}`), 'a password'] as const,
    ),
  )
}

/** What in a line of shell looks like a secret that is written there, in words that do not repeat it; undefined: nothing. */
export function literalSecret(line: string): string | undefined {
  return [...LOOKS, ...looksOfKinds()].find(([pattern]) => pattern.test(line))?.[1]
}
