import type { HostConfig } from '../model/config.ts'
import type { RemoteHost } from '../remote/contract.ts'
import { notHonouredText } from '../remote/openssh/not-honoured.ts'
import { Person } from '../remote/person.ts'
import { connectSsh } from '../remote/ssh.ts'
import { resolveSecret } from '../secrets/resolve.ts'
import type { CommandContext } from './context.ts'
import { askAnswer, askSecret } from './secret-prompt.ts'

/**
 * Connects a command's hosts.
 *
 * @param warn told once for each host what OpenSSH's config says of it and is not honoured
 * @param makeRoom called before somebody at the terminal is asked
 */
export function sshConnector(
  context: Pick<CommandContext, 'interactive'>,
  warn: (message: string) => void,
  makeRoom?: () => Promise<void>,
): (host: HostConfig, signal: AbortSignal) => Promise<RemoteHost> {
  const person = personAt(context, makeRoom)
  const told = new Set<string>()
  return async (host, signal) => {
    const remote = await connectSsh(host, { resolveSecret, signal, person })
    const { notHonoured = [] } = remote
    if (notHonoured.length > 0 && !told.has(host.name)) warn(`${host.name}: ${notHonouredText(notHonoured)}`)
    told.add(host.name)
    return remote
  }
}

/** Whoever sits at the terminal, where somebody does. */
export function personAt(
  context: Pick<CommandContext, 'interactive'>,
  makeRoom?: () => Promise<void>,
): Person | undefined {
  if (!context.interactive) return undefined
  return new Person(async (question, { shown = false, signal }) => {
    await makeRoom?.()
    return await (shown ? askAnswer(question, signal) : askSecret(question, signal))
  })
}
