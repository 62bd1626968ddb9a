import type { VaultProblem } from '../vault/contract.ts'

const FROM_A_COPY = 'Put it back from a copy of the vault.'
const DAMAGED = 'Put the file back from a copy of the vault, or pull again and do not rely on this snapshot.'

const FOREIGN =
  'Find out who put it there: whoever can write to the vault can take snapshots away. Remove it, and put the file back from a copy.'

const STEPS: Readonly<Record<string, string>> = {
  'ledger-broken':
    'Put ledger.jsonl back from a copy of the vault; what it says of removed snapshots can no longer be trusted.',
  'missing-snapshot': FROM_A_COPY,
  'missing-record': FROM_A_COPY,
  'missing-file': DAMAGED,
  'size-differs': DAMAGED,
  'hash-differs': DAMAGED,
  'body-differs': DAMAGED,
  'not-rekeyed':
    'It opens with the keys of before: run relay-backup key rotate again. An old copy was put there, or the disk lost what was written.',
  'manifest-differs': DAMAGED,
  'manifest-damaged': DAMAGED,
  'sums-differ': DAMAGED,
  'parent-damaged':
    'Put what is missing or damaged back from a copy of the vault; the next pull captures everything afresh.',
  'chain-broken': 'Find out who changed the vault; compare it with a copy.',
  'set-back':
    'Find out who set the vault back or took something away, and put what is missing back from a copy. If it was you and it is lost, go on with: relay-backup prune --accept',
  'unknown-snapshot':
    'Pull again: a pull takes in what a crash left. If the snapshot stays unknown, it was copied here: move it out of the vault.',
  'not-a-file': FOREIGN,
  'not-a-directory': FOREIGN,
  'too-large': FOREIGN,
  'lines-damaged':
    'Put the file back from a copy of the vault, or delete the line: it is a record of runs and findings, and no snapshot needs it.',
  'not-remembered':
    'Let this user write to the vault, then verify again: only damage that is written down makes the next pull a full one. Until then pull with --full.',
  unreadable: 'Check the disk of the vault (the system log names it), then put the file back from a copy.',
}

/** What to do about a problem. */
export function nextStep(problem: Pick<VaultProblem, 'code'>): string {
  return STEPS[problem.code] ?? FROM_A_COPY
}
