import { posix } from 'node:path'
import { RelayError, RemoteError } from '../errors.ts'
import { printable } from '../model/path-bytes.ts'
import type { ComposeServices, ServerServices } from '../model/server-services.ts'
import type { Privilege, RemoteHost } from '../remote/contract.ts'
import type { RestorePlacement } from './server/driver.ts'

/** What is going to be put in place, and where it lies until then. */
type StagedUnit = Pick<RestorePlacement['units'][number], 'target' | 'staged'>

/** How much of what Compose says is told. */
const LONGEST = 400

/**
 * Has the target's Compose read a project's files as they will be, while they are still staged. Does nothing where
 * none of them is restored. Throws RelayError `compose-refused` when it can't read them: its services would not
 * start.
 */
export async function checkCompose(
  remote: RemoteHost,
  services: ServerServices,
  units: readonly StagedUnit[],
  options: {
    /** What the snapshot's files were used by, to be named: `1.29.2`. */
    readonly recorded: string | undefined
    readonly privilege: Privilege | undefined
    readonly signal: AbortSignal
  },
): Promise<void> {
  const staged = services.manager === 'compose' ? stagedArguments(services, units) : undefined
  if (services.manager !== 'compose' || staged === undefined) return
  const title = 'having Compose read its restored files'
  const { privilege, signal } = options
  const args = [services.project, ...staged.args]
  const result = await remote.run(
    { script: 'restore-compose-check', patience: 'list', args, privilege, title },
    { signal },
  )
  if (result.status === 0) return
  const [tool = '', ...said] = result.stdout.toString('utf8').split('\n')
  if (result.status !== 3 || !tool.startsWith('tool\t')) {
    throw new RemoteError('compose-unknown', `Compose on ${remote.name} can't be asked to read its files`, {
      host: remote.name,
      command: title,
      exitStatus: result.status,
      stderr: result.stderr,
      next: 'Nothing was replaced. Try there: docker compose version',
    })
  }
  const text = staged.replaced.reduce((all, { from, to }) => all.replaceAll(from, to), said.join(' ')).trim()
  // What the files name may be restored with them: that is seen when they are in place.
  if (/not found|couldn't find|no such file/i.test(text)) return
  const had =
    options.recorded === undefined ? '' : ` (the snapshot's server had ${printable(options.recorded)})`
  throw new RelayError(
    'compose-refused',
    `${tool.slice('tool\t'.length)} on ${remote.name} can't read the restored ${staged.replaced.map(({ to }) => printable(to)).join(', ')}: ${printable(text.slice(0, LONGEST))}`,
    {
      host: remote.name,
      next: `Nothing was replaced. Install a Compose there that can${had}, or restore without these files: name the others with --source.`,
    },
  )
}

/** Whether one of these paths is, or holds, what a project's services are made from. */
export function renewsServices(services: ServerServices, targets: readonly string[]): boolean {
  const units = targets.map((target) => ({ target, staged: `${target}.staged` }))
  return services.manager === 'compose' && stagedArguments(services, units) !== undefined
}

/** Compose's arguments with each file in its staged place; undefined when none is staged. */
export function stagedArguments(
  { args }: Pick<ComposeServices, 'args'>,
  units: readonly StagedUnit[],
):
  | {
      readonly args: readonly string[]
      readonly replaced: readonly { readonly from: string; readonly to: string }[]
    }
  | undefined {
  const replaced: { from: string; to: string }[] = []
  const place = (path: string): string => {
    for (const { target, staged } of units) {
      // What is no text is no argument of Compose.
      if (typeof target !== 'string' || typeof staged !== 'string') continue
      if (path !== target && !path.startsWith(`${target}/`)) continue
      const from = staged + path.slice(target.length)
      replaced.push({ from, to: path })
      return from
    }
    return path
  }
  const value = (flag: string) => args[args.indexOf(flag) + 1] ?? ''
  const moved = args.map((arg, at) =>
    ['--file', '--env-file'].includes(args[at - 1] ?? '') ? place(arg) : arg,
  )
  if (!args.includes('--env-file') && args.includes('--project-directory')) {
    const env = posix.join(value('--project-directory'), '.env')
    const staged = place(env)
    if (staged !== env) moved.push('--env-file', staged)
  }
  return replaced.length === 0 || !args.includes('--file') ? undefined : { args: moved, replaced }
}
