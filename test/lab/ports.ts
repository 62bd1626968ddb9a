import { createServer, type Server } from 'node:net'

// Below the ports that the kernel hands out by itself (32768 and up).
const FIRST = 10_000
const LAST = 31_999
const RANGE = 100

let next = 0
let end = 0

/**
 * A port of 127.0.0.1 for a server of a test. Each test process owns a range of ports, so two that run side by side
 * never get the same one, and no process gets one twice. A range is owned by listening on its first port: the kernel
 * decides who has it, and frees it when its owner dies.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    if (next === end) await takeRange()
    const port = next
    next += 1
    // A server that an interrupted run has left may still have it.
    const probe = await listen(port)
    if (probe === undefined) continue
    await new Promise<void>((resolve) => probe.close(() => resolve()))
    return port
  }
}

async function takeRange(): Promise<void> {
  const ranges = Math.floor((LAST + 1 - FIRST) / RANGE)
  for (let tries = 0; tries < ranges; tries += 1) {
    const start = FIRST + ((process.pid + tries) % ranges) * RANGE
    const taken = await listen(start)
    if (taken === undefined) continue
    // It stays open until this process ends, and keeps no process from ending.
    taken.unref()
    next = start + 1
    end = start + RANGE
    return
  }
  throw new Error(`every range of ports from ${FIRST} to ${LAST} is taken`)
}

/** Undefined when somebody listens there. */
function listen(port: number): Promise<Server | undefined> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
