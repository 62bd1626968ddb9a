import type { AnyAuthMethod, ParsedKey, Prompt } from 'ssh2'
import { printable } from '../model/path-bytes.ts'
import type { Secret, SecretReference } from '../model/secret.ts'
import { AgentKey, agentIdentities, signByAgent } from './agent-key.ts'
import { certifies, certify, readCertificate } from './certified-key.ts'
import { foreignKey } from './foreign-key.ts'
import { readIdentity } from './identity-file.ts'
import type { LockedKey, UnusableIdentity } from './identity-file.ts'
import { fingerprint, keyType } from './known-hosts.ts'
import type { Endpoint, LoginMethod } from './openssh/endpoint.ts'
import type { Person } from './person.ts'

/** Finds a secret where the config says it is (`ResolveSecret` of the secrets). */
export type SecretLookup = (reference: SecretReference, signal: AbortSignal) => Promise<Secret>

/** One way to log in. It is made when its turn comes, so that secrets are asked for only when they are needed. */
interface Candidate {
  /** The method as the server names it. */
  readonly method: LoginMethod
  /** For the error: `key ~/.ssh/id_ed25519`. */
  readonly name: string
  /** A person is asked, which is done only for what the server wants besides what it has accepted. */
  readonly asFurther?: boolean
  /** Undefined when it can't be tried after all; `skipped` says why. */
  attempt(): Promise<AnyAuthMethod | undefined>
}

/** Walks through the ways in and remembers what was tried. */
export interface Authentication {
  /** The next attempt, or false when none is left. `methods` are those the server takes; null before it said. */
  next(methods: readonly string[] | null, partial: boolean): Promise<AnyAuthMethod | false>
  /** What was tried, named for a person. */
  readonly tried: readonly string[]
  /** What could not be tried, and why. */
  readonly skipped: readonly UnusableIdentity[]
  /** The methods that the server said it takes. */
  readonly accepted: readonly string[]
}

/** Stands in `tried` behind what the server accepted as one part of a login. */
export const ACCEPTED = '(accepted, the server wants another method)'

/** The types of an agent's keys that ssh2 knows. */
const PLAIN = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/
/** Keys of security tokens, and certificates. */
const FOREIGN = /^(sk-.+@openssh\.com|.+-cert-v01@openssh\.com)$/

/** As OpenSSH's NumberOfPasswordPrompts. */
const ATTEMPTS = 3

/**
 * The ways to log in, in order: the key files that are named (a public one names a key of the agent), the agent, the
 * default key files (when none is named), the password, a person's answers. OpenSSH's server ends the connection after
 * six failures, so what was named comes first.
 */
export function createAuthentication(
  ssh: Endpoint,
  options: {
    readonly resolveSecret: SecretLookup
    readonly person: Person | undefined
    readonly signal: AbortSignal
  },
): Authentication {
  const { resolveSecret, signal } = options
  const { user, identities, agent: socket } = ssh
  const person = ssh.batch ? undefined : options.person
  const tried: string[] = []
  const skipped: UnusableIdentity[] = []
  let accepted: readonly string[] = []
  let greeted = false
  /** Further attempts with the same key. */
  const pending: AnyAuthMethod[] = []
  let furtherWanted = false

  const keyFile = (file: string): Candidate => ({
    method: 'publickey',
    name: `key ${file}`,
    async attempt() {
      const identity = await readIdentity(file)
      if ('key' in identity) return withCertificates(file, identity.key)
      if ('publicKey' in identity)
        return (await ofAgent(file, identity.publicKey)) ?? skipPublic(file, identity.publicKey)
      if ('locked' in identity) return unlocked(file, identity.locked)
      if (identities.named || identity.unusable.problem !== 'absent') skipped.push(identity.unusable)
      return undefined
    },
  })

  const certificatesFor = async (file: string): Promise<Buffer[]> => {
    const read = await Promise.all([`${file}-cert.pub`, ...identities.certificates].map(readCertificate))
    return read.filter((certificate) => certificate !== undefined)
  }
  /** The first of them is tried at once, the others after it. */
  const inTurn = ([first, ...rest]: readonly AnyAuthMethod[]): AnyAuthMethod | undefined => {
    pending.push(...rest)
    return first
  }
  /** A key's certificates come before the key alone, as OpenSSH has it. */
  const withCertificates = async (file: string, key: ParsedKey): Promise<AnyAuthMethod | undefined> => {
    const certified = (await certificatesFor(file)).flatMap((certificate) => certify(key, certificate) ?? [])
    return inTurn([...certified, key].map((one) => ({ type: 'publickey', username: user, key: one })))
  }

  /** A key of the agent; `shown` is what the server sees of it, a certificate perhaps. */
  const held = (path: string, publicKey: Buffer, shown = publicKey): AnyAuthMethod[] => {
    const type = keyType(shown)
    if (PLAIN.test(type)) return [{ type: 'agent', username: user, agent: new AgentKey(path, publicKey) }]
    if (!FOREIGN.test(type)) return []
    const key = foreignKey(shown, async (data) => {
      try {
        return await signByAgent(path, publicKey, data, signal)
      } catch (error) {
        skipped.push({
          problem: 'unreadable',
          message: `the agent at ${path} does not sign with ${printable(type)} ${fingerprint(publicKey)}`,
          next: 'Touch the security token when it blinks, and look at what the agent says; try it with: ssh-add -T FILE.pub',
        })
        throw error
      }
    })
    return [{ type: 'publickey', username: user, key }]
  }
  /** A key that the agent has, with the certificates for it: those of files, and the agent's own. */
  const ofAgent = async (file: string, publicKey: Buffer | undefined): Promise<AnyAuthMethod | undefined> => {
    if (socket === undefined || publicKey === undefined) return undefined
    const all = (await agentIdentities(socket)) ?? []
    const same = all.filter((identity) => identity.equals(publicKey))
    const certified = all.filter((identity) => certifies(identity, publicKey))
    const [own] = [...same, ...certified]
    if (own === undefined) return undefined
    const files = (await certificatesFor(file)).filter((certificate) => certifies(certificate, publicKey))
    return inTurn([
      ...files.flatMap((certificate) => held(socket, own, certificate)),
      ...[...certified, ...same].flatMap((identity) => held(socket, identity)),
    ])
  }
  const skipPublic = (file: string, publicKey: Buffer): undefined => {
    const name = `${file} (${fingerprint(publicKey)})`
    skipped.push({
      problem: 'absent',
      message: `${name} is a public key, and ${socket === undefined ? 'there is no agent' : `the agent at ${socket} does not have its private half`}`,
      next: `Load the private half into the agent: ssh-add ${file.replace(/\.pub$/, '')}; or point ssh.identityFile at it`,
    })
  }
  /** A key behind a passphrase: the agent may have it open; then the config's secret counts, then a person. */
  const unlocked = async (file: string, locked: LockedKey): Promise<AnyAuthMethod | undefined> => {
    const open = await ofAgent(file, locked.publicKey)
    if (open !== undefined) return open
    const reference = identities.named ? identities.passphrase : undefined
    const key =
      reference !== undefined
        ? locked.open(await resolveSecret(reference, signal))
        : await person?.unlock(`Passphrase of the SSH key ${file}`, (answer) => locked.open(answer), {
            attempts: ATTEMPTS,
            signal,
          })
    if (key !== undefined) return withCertificates(file, key)
    const asked = reference !== undefined || person !== undefined
    skipped.push({
      problem: asked ? 'wrong-passphrase' : 'encrypted',
      message: asked
        ? `the passphrase does not open ${file}`
        : `${file} is encrypted and no passphrase is configured`,
      next:
        reference === undefined
          ? `Set ssh.identityPassphrase, or load the key into an agent: ssh-add ${file}`
          : 'Correct the secret that ssh.identityPassphrase names',
    })
    return undefined
  }
  const agent = (path: string): Candidate => ({
    method: 'publickey',
    name: `agent ${path}`,
    async attempt() {
      const all = await agentIdentities(path)
      if (all !== undefined) return inTurn(all.flatMap((identity) => held(path, identity)))
      skipped.push({
        problem: 'unreadable',
        message: `no agent answers at ${path}`,
        next: 'Start an agent (eval "$(ssh-agent)"; ssh-add) or set ssh.agent to false',
      })
      return undefined
    },
  })

  let password: Promise<Secret> | undefined
  const reveal = async (reference: SecretReference) =>
    (await (password ??= resolveSecret(reference, signal))).reveal()
  const askPerson = async (question: string, shown = false) =>
    (await person?.ask(`${user}@${ssh.host}: ${printable(question.trim())}`, { shown, signal }))?.reveal() ??
    ''
  const byPassword = (): Candidate[] => {
    const { password: reference } = ssh
    if (reference === undefined && person === undefined) return []
    return [
      {
        method: 'password',
        name: 'password',
        asFurther: reference === undefined,
        attempt: async () => ({
          type: 'password',
          username: user,
          password: reference === undefined ? await askPerson('Password') : await reveal(reference),
        }),
      },
    ]
  }
  const byAnswers = (): Candidate[] => {
    const { password: reference } = ssh
    if (reference === undefined && person === undefined) return []
    return [
      {
        method: 'keyboard-interactive',
        name: 'keyboard-interactive',
        asFurther: reference === undefined,
        attempt: () =>
          Promise.resolve(
            keyboardInteractive(user, {
              password: reference === undefined ? undefined : () => reveal(reference),
              ask: person === undefined ? undefined : askPerson,
            }),
          ),
      },
    ]
  }

  const files = identities.files.map(keyFile)
  const ofWholeAgent = socket === undefined || identities.only ? [] : [agent(socket)]
  const ways: Readonly<Record<LoginMethod, () => Candidate[]>> = {
    publickey: () => (identities.named ? [...files, ...ofWholeAgent] : [...ofWholeAgent, ...files]),
    password: byPassword,
    'keyboard-interactive': byAnswers,
  }
  const waiting = ssh.methods.flatMap((method) => ways[method]())

  return {
    tried,
    skipped,
    get accepted() {
      return accepted
    },
    async next(methods, partial) {
      if (!greeted) {
        // This asks only for the list of methods (RFC 4252 section 5.2), so that no secret is fetched in vain.
        greeted = true
        return { type: 'none', username: user }
      }
      accepted = methods ?? accepted
      if (partial) {
        pending.length = 0
        furtherWanted = true
        tried.push(ACCEPTED)
      }
      const again = pending.shift()
      if (again !== undefined) return again
      for (;;) {
        const index = waiting.findIndex(
          ({ method, asFurther }) =>
            (methods === null || methods.includes(method)) && (furtherWanted || asFurther !== true),
        )
        const [candidate] = index === -1 ? [] : waiting.splice(index, 1)
        if (candidate === undefined) return false
        const attempt = await candidate.attempt()
        if (attempt === undefined) continue
        tried.push(candidate.name)
        return attempt
      }
    },
  }
}

/**
 * Answers a server's questions. The password is for a single hidden one, and only once: a server that asks for more
 * wants something else, which a person may know.
 */
function keyboardInteractive(
  username: string,
  answer: {
    readonly password: (() => Promise<string>) | undefined
    readonly ask: ((question: string, shown: boolean) => Promise<string>) | undefined
  },
): AnyAuthMethod {
  let { password } = answer
  const answersTo = async (prompts: readonly Prompt[]): Promise<string[]> => {
    if (password !== undefined && prompts.length === 1 && prompts[0]?.echo !== true) {
      const known = await password()
      password = undefined
      return [known]
    }
    if (answer.ask === undefined) return []
    const given: string[] = []
    for (const { prompt, echo } of prompts) given.push(await answer.ask(prompt, echo === true))
    return given
  }
  return {
    type: 'keyboard-interactive',
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      // Without answers the server refuses; that a person gave up shows by its refusal.
      answersTo(prompts).then(finish, () => finish([]))
    },
  }
}
