import type { SecretReference } from '../model/secret.ts'

/** How a host is logged in to when nobody is there. */
export type Login =
  | 'fine'
  | 'agent' // only by an agent, whose keys somebody must have loaded
  | 'person' // only by what a person types
  | { readonly problem: string }

/** What decides whether a schedule runs while nobody is there. */
export interface UnattendedFacts {
  /** The secrets that it needs, and where the config names each. */
  readonly secrets: readonly { readonly at: string; readonly reference: SecretReference }[]
  readonly logins: readonly { readonly host: string; readonly login: Login }[]
  /** The variables that its timer has. */
  readonly env: Readonly<Record<string, string>>
  /** Files and directories that can't be used as they must be: `/srv/vault can't be written to`. */
  readonly rights: readonly string[]
  /** Programs that it needs and that are nowhere on the timer's PATH. */
  readonly absent: readonly string[]
}

/** What would keep a schedule from running while nobody is there, a sentence each with the way out. */
export function unattendedTroubles({ secrets, logins, env, rights, absent }: UnattendedFacts): string[] {
  return [
    ...secrets.flatMap(({ at, reference }) => {
      if ('keychain' in reference)
        return [
          `${at} is in the keychain, which may be locked while you are not logged in: use { file: PATH }`,
        ]
      if ('env' in reference && env[reference.env] === undefined)
        return [`${at} is in the variable ${reference.env}, which a timer does not have: use { file: PATH }`]
      return []
    }),
    ...logins.flatMap(({ host, login }) => {
      if (login === 'fine') return []
      if (login === 'agent')
        return [
          `${host} is logged in to by an SSH agent, whose keys somebody must load: set ssh.identityFile`,
        ]
      if (login === 'person')
        return [
          `${host} has no SSH key that opens without a person: set ssh.identityFile, and ssh.identityPassphrase if it has one`,
        ]
      return [`${host}: ${login.problem}`]
    }),
    ...rights,
    ...absent.map(
      (program) => `there is no ${program} on the timer's PATH: install the timer from a shell that has it`,
    ),
  ]
}
