import { SourceError } from '../../../errors.ts'
import type { RedisSourceConfig } from '../../../model/config.ts'
import { refusal } from '../failures.ts'
import { ReplyError } from '../talk/connection.ts'
import type { Connection } from './scan-keys.ts'

/** The part of a cluster that one node serves. */
export interface ClusterPart {
  /** `0-5460 6000`, as the node tells them; empty for none, undefined when it does not tell. */
  readonly slots: string | undefined
  /** Slots that come or go right now. */
  readonly moving: readonly string[]
  /** Why it does not tell. */
  readonly refused?: string | undefined
}

/**
 * Asks a node of a cluster what it serves, and lets a replica answer for its master's keys on this connection. Throws
 * SourceError when a replica may not.
 */
export async function openClusterNode(
  connection: Connection,
  config: RedisSourceConfig,
  isReplica: boolean,
): Promise<ClusterPart> {
  if (isReplica) {
    const answer = await connection.ask('READONLY')
    if (answer instanceof ReplyError) throw replicaRefusal(config, answer.message)
  }
  const nodes = await connection.ask('CLUSTER', 'NODES')
  if (nodes instanceof ReplyError) return { slots: undefined, moving: [], refused: nodes.message }
  return parseClusterNodes(Buffer.isBuffer(nodes) ? nodes.toString('latin1') : '')
}

function replicaRefusal(config: RedisSourceConfig, answer: string): SourceError {
  const error = refusal(config, 'read the keys of a replica (READONLY)', answer)
  return new SourceError(error.code, error.message, {
    ...error.details,
    next: `Let the user of the backup do it: ACL SETUSER ${config.username ?? 'default'} +readonly; or point this source at the master.`,
  })
}

/** Reads CLUSTER NODES: a replica has the slots of its master. */
export function parseClusterNodes(text: string): ClusterPart {
  const nodes = text.split(/\r?\n/).flatMap((line) => {
    // id address flags master ping-sent pong-recv epoch link slot…
    const [id = '', , flags = '', master = '', , , , , ...slots] = line.trim().split(' ')
    return id === '' ? [] : [{ id, flags: flags.split(','), master, slots }]
  })
  const own = nodes.find(({ flags }) => flags.includes('myself'))
  if (own === undefined) return { slots: undefined, moving: [] }
  const server = nodes.find(({ id }) => id === own.master) ?? own
  return {
    slots: server.slots.filter((slot) => !slot.startsWith('[')).join(' '),
    // `[93->-id]` goes, `[77-<-id]` comes.
    moving: server.slots.flatMap((slot) => /^\[(\d+)-/.exec(slot)?.[1] ?? []),
  }
}
