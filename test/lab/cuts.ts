import { expect } from 'vitest'
import type { RunningCli } from './cli.ts'

/** What the program tells in `--json` on stderr that a cut can be placed at, each once, in the order it was told. */
export function phasesOf(stderr: string): readonly string[] {
  return [...new Set(stderr.split('\n').flatMap((line) => phase(line) ?? []))]
}

/** Lets one run through, with `--json`, and returns its phases. */
export async function phasesOfWhole(running: RunningCli): Promise<readonly string[]> {
  const { code, stderr } = await running.result
  expect(code, stderr).toBe(0)
  return phasesOf(stderr)
}

/**
 * Cuts a run (started with `--json`) as soon as it tells `at`. Returns false when it ended without telling it, as
 * when things that go side by side come in another order.
 */
export async function cutAt(running: RunningCli, at: string, cut: () => unknown): Promise<boolean> {
  const told = () => phasesOf(running.stderr()).includes(at)
  await new Promise<void>((resolve) => {
    const look = () => {
      if (told()) resolve()
    }
    running.child.stderr?.on('data', look)
    running.child.once('close', () => resolve())
    look()
  })
  if (!told()) return false
  await cut()
  return true
}

function phase(line: string): string | undefined {
  if (!line.startsWith('{"type":"')) return undefined
  try {
    const event = JSON.parse(line) as Record<string, unknown>
    if (['warning', 'note', 'source-failed', 'host-failed', 'host-finished'].includes(String(event['type'])))
      return undefined
    const parts = ['type', 'host', 'source', 'archive', 'step'].map((key) => event[key])
    // "Redis is saving: 3 of 20 keys" is one phase.
    return parts
      .filter((part) => part !== undefined)
      .join(' ')
      .replace(/\d+/g, 'N')
  } catch {
    // The rest of the line has not come yet.
    return undefined
  }
}
