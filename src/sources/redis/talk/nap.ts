import { setTimeout as sleep } from 'node:timers/promises'

/** Waits between two looks at a server. Throws the signal's reason. */
export async function nap(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
  signal.throwIfAborted()
}
