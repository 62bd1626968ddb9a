import { randomBytes } from 'node:crypto'
import { readdir, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { OPERATIONS, type EndedRun, type RunBegin } from '../model/run-record.ts'
import { FILE_MODE } from './durable.ts'
import { appendRun, part, readRuns } from './history.ts'
import { loadTryLock } from './lock.ts'
import { runsFile } from './paths.ts'
import { openRegular } from './regular-file.ts'

const PREFIX = '.run-'

const begin = z.looseObject({
  run: z.string(),
  at: z.iso.datetime(),
  operation: z.enum(OPERATIONS),
  host: z.string(),
  by: z.object({ user: z.string(), machine: z.string(), pid: z.number() }),
  trigger: z.union([z.literal('manual'), z.literal('daemon'), z.templateLiteral(['schedule:', z.string()])]),
  schedule: z.string().optional(),
  only: part.optional(),
  restores: z.string().optional(),
})

/** Enough for a begin. */
const MOST = 64 * 1024

/**
 * Keeps a file that says that a run has begun, with a kernel lock for as long as its process lives. Disposing it
 * removes the file, after the run is in the history.
 */
export async function keepBegin(hostDir: string, begun: RunBegin): Promise<AsyncDisposable> {
  const tryLock = await loadTryLock()
  const made = join(hostDir, `.begin-${randomBytes(8).toString('hex')}`)
  const file = join(hostDir, `${PREFIX}${begun.run}`)
  const handle = await openRegular(made, 'append')
  try {
    // Another run looks at it by its last name only, and finds it locked.
    tryLock(handle.fd)
    await handle.chmod(FILE_MODE)
    await handle.writeFile(`${JSON.stringify(begun)}\n`)
    await rename(made, file)
  } catch (error) {
    await rm(made, { force: true })
    await handle.close()
    throw error
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(file, { force: true })
      await handle.close()
    },
  }
}

/**
 * Ends every run as `lost` whose begin is there and whose process is not; what it can't read it leaves.
 *
 * @returns the runs that it ended
 */
export async function endLostRuns(hostDir: string, at: Date): Promise<readonly EndedRun[]> {
  const names = (await readdir(hostDir)).filter((name) => name.startsWith(PREFIX))
  if (names.length === 0) return []
  const ended: EndedRun[] = []
  const tryLock = await loadTryLock()
  for (const name of names) {
    const file = join(hostDir, name)
    // It has ended meanwhile, or belongs to a user whose next run says so.
    const handle = await openRegular(file, 'append').catch(() => undefined)
    if (handle === undefined) continue
    try {
      // Whoever holds it lives. It is held here until the line is written: two do not end the same run.
      if (tryLock(handle.fd)) ended.push(...(await endLost(hostDir, file, handle, at)))
    } finally {
      await handle.close()
    }
  }
  return ended
}

async function endLost(hostDir: string, file: string, handle: FileHandle, at: Date): Promise<EndedRun[]> {
  const begun = await readBegin(handle)
  const known = await readRuns(runsFile(hostDir))
  // A process may die between its line and the removal of its begin.
  const ended: EndedRun[] = []
  if (begun !== undefined && !known.some(({ run }) => run === begun.run)) {
    const error = { code: 'lost', message: 'Its process ended before the run did' }
    const lost: EndedRun = { ...begun, finishedAt: at.toISOString(), outcome: 'lost', error }
    await appendRun(runsFile(hostDir), lost)
    ended.push(lost)
  }
  await rm(file, { force: true })
  return ended
}

async function readBegin(handle: FileHandle): Promise<RunBegin | undefined> {
  const buffer = Buffer.alloc(MOST)
  const { bytesRead } = await handle.read(buffer, 0, MOST, 0)
  try {
    return begin.parse(JSON.parse(buffer.toString('utf8', 0, bytesRead)))
  } catch {
    return undefined
  }
}
