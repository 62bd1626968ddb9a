import { adHocHost } from '../config/ad-hoc-host.ts'
import { ConnectionError, InterruptedError, RelayError, RemoteError, withoutCheck } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import { parseTarget } from '../model/target.ts'
import type { Privilege } from '../remote/contract.ts'
import { probeHost } from '../remote/probe.ts'
import { renderError } from '../report/render-error.ts'
import { visit, type Visit } from '../runs/visit.ts'
import type { DockerLook } from '../services/contract.ts'
import { lookAtDocker } from '../services/docker-look.ts'
import { findHelper } from '../services/helper.ts'
import type { CommandContext } from './context.ts'
import { trustServers } from './hosts-trust.ts'
import type { InitFlags } from './init-flags.ts'
import { tell } from './tell.ts'
import type { InitTalk } from './init-talk.ts'
import { sshConnector } from './ssh-connect.ts'

type Reached = Visit & AsyncDisposable

/** Connects; at a terminal again and again, until a server is reached. */
export async function reach(
  context: CommandContext,
  target: string | undefined,
  flags: InitFlags,
  talk: InitTalk | undefined,
): Promise<{ readonly target: string; readonly place: Reached }> {
  let asked = target
  for (let initial = target; ;) {
    asked ??= await talk?.text('Which server? (user@host, or an alias of ~/.ssh/config)', {
      initial,
      problem: (text) =>
        parseTarget(text) === undefined ? 'write user@host, user@host:port, or an alias' : undefined,
    })
    try {
      return { target: asked ?? '', place: await connect(context, asked ?? '', flags) }
    } catch (error) {
      if (error instanceof ConnectionError) adviseWithoutConfig(error, asked ?? '')
      if (talk === undefined || !(error instanceof RelayError) || error instanceof InterruptedError)
        throw error
      tell(context, renderError(error, { color: context.progress.color }).trimEnd())
      initial = asked
      asked = undefined
    }
  }
}

/** There is no config yet that `check` could look at; OpenSSH can be asked. */
function adviseWithoutConfig(error: ConnectionError, asked: string): void {
  const { next } = error.details
  const advice = withoutCheck(next)
  const target = parseTarget(asked)
  if (advice === next || target === undefined) return
  const { user, host, port } = target
  const place = `${port === undefined ? '' : `-p ${port} `}${user === undefined ? '' : `${user}@`}${host}`
  Object.assign(error, {
    details: { ...error.details, next: `${advice} What OpenSSH says: ssh -v ${place}` },
  })
}

async function connect(context: CommandContext, target: string, flags: InitFlags): Promise<Reached> {
  const host = adHocHost(
    target,
    { retention: { safety: 0 }, compression: { kind: 'auto' }, fullEvery: 0, runTimeout: 0 },
    { deployment: flags.deployment },
  )
  const dependencies = {
    connect: sshConnector(context, (message) => tell(context, message)),
    probe: probeHost,
    findHelper,
  }
  const go = () => visit(host, { shellFor: 'init', looksOnly: true }, dependencies, context.signal)
  tell(context, `Connecting to ${printable(target)} …`)
  try {
    return await go()
  } catch (error) {
    if (!(error instanceof ConnectionError) || !/^host-key-(unknown|changed)$/.test(error.problem))
      throw error
    if (error.problem === 'host-key-changed' && flags.fingerprint === undefined) throw error
    if (!context.interactive && flags.fingerprint === undefined)
      throw new ConnectionError(error.problem, error.message, {
        host: target,
        next: "Compare the fingerprint with the server's own, then give it: --fingerprint SHA256:…",
        cause: error,
      })
    await trustServers(context, { name: target, ssh: host.ssh }, flags.fingerprint)
    return await go()
  }
}

/** Docker as the SSH user, or as root where that user may not ask it and sudo lets him. */
export async function dockerOf({ remote, probe, signal }: Visit): Promise<{
  readonly look: DockerLook | undefined
  readonly privilege: Privilege | undefined
  readonly note: string | undefined
}> {
  try {
    return {
      look: await lookAtDocker(remote, { privilege: undefined, signal }),
      privilege: undefined,
      note: undefined,
    }
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    if (error.code === 'docker-missing') return { look: undefined, privilege: undefined, note: undefined }
    if (error.code === 'docker-denied' && probe.uid !== 0) {
      const look = await lookAtDocker(remote, { privilege: 'sudo', signal }).catch(() => undefined)
      signal.throwIfAborted()
      if (look !== undefined) return { look, privilege: 'sudo', note: undefined }
    }
    return {
      look: undefined,
      privilege: undefined,
      note: printable(
        `  Docker can't be asked, so its containers are left out: ${error.message}. ${error.details.next ?? ''}`,
      ),
    }
  }
}
