import { existsSync } from 'node:fs'
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Meter } from './measure.ts'

const ROOT = '/sys/fs/cgroup'

/** Counts the CPU of processes and of everything they start, by a cgroup of its own. */
export interface CpuMeter extends Meter, AsyncDisposable {
  /** Counts this process from now on. */
  add(pid: number): Promise<void>
}

/**
 * Makes the cgroup (version 2, or version 1's cpuacct); undefined where that is not allowed. It is to be disposed
 * after its processes have ended: a cgroup with processes in it stays.
 */
export async function cpuMeter(name: string): Promise<CpuMeter | undefined> {
  const unified = existsSync(join(ROOT, 'cgroup.procs'))
  const folder = join(unified ? ROOT : join(ROOT, 'cpuacct'), name)
  try {
    await mkdir(folder)
  } catch {
    return undefined
  }
  return {
    add: (pid) => writeFile(join(folder, 'cgroup.procs'), String(pid)),
    async read() {
      if (!unified) return Number(await readFile(join(folder, 'cpuacct.usage'), 'utf8')) / 1e9
      const stat = await readFile(join(folder, 'cpu.stat'), 'utf8')
      return Number(/^usage_usec (\d+)$/m.exec(stat)?.[1]) / 1e6
    },
    async [Symbol.asyncDispose]() {
      // What a cut session left running ends in its own time.
      for (let waited = 0; waited < 100; waited += 1) {
        if (
          await rmdir(folder)
            .then(() => true)
            .catch(() => false)
        )
          return
        await sleep(100)
      }
    },
  }
}
