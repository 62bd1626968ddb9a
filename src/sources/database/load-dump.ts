import { pipeline } from 'node:stream/promises'
import type { Readable } from 'node:stream'
import { ConnectionError } from '../../errors.ts'
import type { ExitResult, RemoteCommand } from '../../remote/contract.ts'
import type { ServerContext } from './place.ts'

/** What is loaded, and by what. */
export interface DumpLoad {
  readonly command: RemoteCommand
  /** What the script reads first. */
  readonly line: Buffer
  readonly dump: Readable
  /** Sees each piece that is sent. */
  readonly onBytes?: (chunk: Buffer) => void
  /** The error of a client that failed. */
  readonly failure: (exit: ExitResult) => Error
}

/** Sends a dump to a script that loads it. Throws what broke the dump, and what the client failed with. */
export async function loadDump(
  { host, signal }: Pick<ServerContext, 'host' | 'signal'>,
  { command, line, dump, onBytes, failure }: DumpLoad,
): Promise<void> {
  const process = await host.spawn(command, { signal })
  process.stdout.resume()
  process.stdin.write(line)
  let broken: unknown
  // Not before the pipeline is there: a listener sets the bytes flowing.
  if (onBytes !== undefined) dump.on('data', onBytes)
  await pipeline(dump, process.stdin, { signal }).catch((error: unknown) => {
    broken = error
    // A dump that turned out to be damaged must not end as if it were whole.
    process.kill()
  })
  const exit = await process.exit.catch((error: unknown) => {
    if (error instanceof ConnectionError || broken === undefined) throw error
    return undefined
  })
  // Why the client ended says more than that the dump could not be sent to it.
  const explains = broken === undefined || exit?.stderr.trim() !== ''
  if (exit !== undefined && exit.status !== 0 && explains) throw failure(exit)
  if (broken !== undefined) throw broken as Error
}
