import { DamageError } from '../../../errors.ts'

/** Why an RDB can't be read. */
export type RdbProblem =
  | 'not-rdb' // another file, or its first bytes are damaged
  | 'version' // a format this reader does not know
  | 'truncated'
  | 'checksum'
  | 'malformed'
  | 'module' // a value of Redis 4.0's release candidates, which only its module can read
  | 'trailing' // something follows the end

/** An RDB is not what it must be. */
export class RdbError extends DamageError {
  readonly problem: RdbProblem
  /** Where, in bytes from the RDB's first byte. */
  readonly offset: number

  constructor(problem: RdbProblem, message: string, offset: number) {
    super(`rdb-${problem}`, `${message} (at byte ${offset} of the RDB)`, { next: NEXT[problem] })
    this.problem = problem
    this.offset = offset
  }
}

const DAMAGED = 'Check the file on the server with: redis-check-rdb'
const NEXT: Record<RdbProblem, string> = {
  'not-rdb': 'Check that dir and dbfilename of this Redis name an RDB, not another file',
  version: 'Update relay-backup, or ask for support of this version of the server',
  truncated: 'Run the pull again; when it happens again, check the disk of the server',
  checksum: DAMAGED,
  malformed: DAMAGED,
  module: 'Load the file with the Redis 4.0 release candidate that wrote it, and save it with a newer one',
  trailing: DAMAGED,
}
