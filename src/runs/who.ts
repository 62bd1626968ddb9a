import { hostname, userInfo } from 'node:os'
import type { RunBegin } from '../model/run-record.ts'

/** Who runs this: the history and the audit log say so. A user whom the system has no name for is a number. */
export function whoRuns(): RunBegin['by'] {
  return { user: userName(), machine: hostname(), pid: process.pid }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '')
  }
}
