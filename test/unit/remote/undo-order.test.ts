import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'

const library = new URL('../../../src/remote/scripts/lib/restore-undo.sh', import.meta.url).pathname

/** What undoing a restore of three units does, told by what stands around it. `stuck` is a unit that can't be undone. */
function undone(shell: readonly string[], stuck = 0): string[] {
  const [file = 'sh', ...args] = shell
  const script = `set -u
. "${library}"
any_moved() { return 0; }
undo_stop() { echo stop; }
undo_unit() { echo "unit $1"; why="no room"; [ "$1" != ${stuck} ]; }
svc_stop_begun() { :; }
undo_start() { echo start; }
svc_settle() { :; }
remove_staging() { :; }
plain() { plain=$1; }
journal_add() { echo "journal $*"; }
say() { echo "say $*"; }
journal=/nowhere/restore-1/journal state=stopped units=3
undo_restore
echo "status $?"`
  return spawnSync(file, [...args, '-c', script], { encoding: 'utf8' })
    .stdout.trim()
    .split('\n')
}

const shells: [string, ...string[]][] = [['dash'], ['busybox', 'sh']]

describe.each(shells)('undoing a restore under %s', (...shell) => {
  test('begins with the unit that was placed last: the others may hold what it lies in', () => {
    expect(undone(shell)).toEqual([
      'journal undoing',
      'stop',
      'unit 3',
      'unit 2',
      'unit 1',
      'start',
      'journal closed rolled-back',
      'say ok rollback rolled-back',
      'status 0',
    ])
  })

  test('stops at a unit that can not be undone, starts nothing, and leaves the journal open', () => {
    expect(undone(shell, 2)).toEqual([
      'journal undoing',
      'stop',
      'unit 3',
      'unit 2',
      'journal stuck no room',
      'say failed rollback no room',
      'status 1',
    ])
  })
})
