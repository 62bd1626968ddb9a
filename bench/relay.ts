import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A TCP relay on loopback that counts what passes. */
export interface Relay extends AsyncDisposable {
  readonly port: number
  /** Bytes of both directions since the last call. */
  take(): number
}

/** Relays to a port of 127.0.0.1. */
export async function startRelay(to: number): Promise<Relay> {
  let bytes = 0
  const sockets = new Set<Socket>()
  const join = (from: Socket, into: Socket) => {
    sockets.add(from)
    from.on('data', (chunk: Buffer) => (bytes += chunk.length))
    from.on('error', () => into.destroy()).on('close', () => sockets.delete(from))
    from.pipe(into)
  }
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1')
    for (const socket of [client, upstream]) socket.setNoDelay(true)
    join(client, upstream)
    join(upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    take() {
      const taken = bytes
      bytes = 0
      return taken
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
