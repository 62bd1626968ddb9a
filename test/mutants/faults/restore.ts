import type { Fault } from '../fault.ts'

export const restore: readonly Fault[] = [
  {
    name: 'private-left',
    what: "a snapshot's files that Compose was asked about stay on the server",
    file: 'src/restore/scripts/compose-ahead.sh',
    find: `  private_drop
`,
    replace: ``,
    tests: ['test/integration/compose-ahead.test.ts'],
  },
  {
    name: 'private-swept-alive',
    what: 'a private directory is taken away from a process that lives',
    file: 'src/remote/scripts/lib/private.sh',
    find: `mark_alive "\${private_mark#*-}"`,
    replace: `false`,
    tests: ['test/integration/compose-ahead.test.ts'],
  },
  {
    name: 'beside-replaces',
    what: 'a restore beside what is live replaces what has its name',
    file: 'src/restore/plan.ts',
    find: `if (input.beside !== undefined) findings`,
    replace: `if (input.beside === '') findings`,
    tests: ['test/integration/sqlite.test.ts'],
  },
  {
    name: 'sqlite-merge-changed',
    what: 'a row of SQLite that was changed since a merge added it is removed by its rollback',
    file: 'src/sources/sqlite/merge/statements.ts',
    find: `WHERE \${alike}\${others`,
    replace: `WHERE 1\${others`,
    tests: ['test/integration/sqlite.test.ts'],
  },
  {
    name: 'beside-stops',
    what: 'a restore beside what is live stops services',
    file: 'src/restore/preflight.ts',
    find: `const stops = request.strategy === 'replace' && !isBeside(request)`,
    replace: `const stops = request.strategy === 'replace'`,
    tests: ['test/integration/postgres.test.ts'],
  },
  {
    name: 'restored-differs',
    what: 'a file that was unpacked is not compared with its hash',
    file: 'src/restore/proof.ts',
    find: `found.sha256 === file.sha256`,
    replace: `found.sha256 !== ''`,
    tests: ['test/integration/restore-prove-files.test.ts'],
  },
  {
    name: 'proof-alongside',
    what: 'files that are hashed alongside are not compared',
    file: 'src/restore/proof.ts',
    find: `return !this.#tooMany && this.#found.equals(this.#expected)`,
    replace: `return !this.#tooMany`,
    tests: ['test/integration/restore-proof.test.ts'],
  },
  {
    name: 'facts-differ',
    what: 'a failed comparison of facts does not stop a restore',
    file: 'src/restore/place.ts',
    find: `  if (failed === undefined) return found`,
    replace: `  if (failed?.check !== '') return found`,
    tests: ['test/unit/restore/place.test.ts'],
  },
  {
    name: 'secret-in-journal',
    what: 'the secret of a loader is written into the journal',
    file: 'src/restore/scripts/run.sh',
    find: `      secret"$tab"*) take_secret "$line" ;;`,
    replace: `      secret"$tab"*) take_secret "$line"; declared=$declared$line$tab.$newline ;;`,
    tests: ['test/integration/toy-kind.test.ts'],
  },
  {
    name: 'reopens-locked',
    what: 'a restore is reopened with a secret that its loader does not take',
    file: 'src/restore/scripts/settle.sh',
    find: `  look_loads || {`,
    replace: `  true || {`,
    tests: ['test/integration/toy-kind.test.ts'],
  },
  {
    name: 'switch-stays',
    what: 'a switch of what was loaded is not undone',
    file: 'src/restore/scripts/lib/undo.sh',
    find: `  if any_switched; then`,
    replace: `  if false; then`,
    tests: ['test/integration/toy-kind.test.ts'],
  },
  {
    name: 'step-refused',
    what: 'a step that failed on the server is gone on from',
    file: 'src/restore/place.ts',
    find: `  if (!result.ok) {`,
    replace: `  if (!result.ok && result.reason === '') {`,
    tests: ['test/unit/restore/place.test.ts'],
  },
  {
    name: 'still-in-use',
    what: 'what still uses the data is not waited for',
    file: 'src/restore/place.ts',
    find: `  if (stopped.users.length > 0) {`,
    replace: `  if (stopped.users.length > 1_000_000) {`,
    tests: ['test/unit/restore/place.test.ts'],
  },
  {
    name: 'superseded-others',
    what: 'what another restore set aside is removed',
    file: 'src/restore/supersede.ts',
    find: `journal.targets.every((target) => replaced.has(target))`,
    replace: `journal.targets.some((target) => replaced.has(target))`,
    tests: ['test/unit/restore/supersede.test.ts'],
  },
  {
    name: 'rollback-of-older',
    what: 'a rollback undoes an older restore without a word',
    file: 'src/restore/choose-journal.ts',
    find: `undone: journal === last ? undefined : last`,
    replace: `undone: undefined`,
    tests: ['test/unit/restore/choose-journal.test.ts'],
  },
  {
    name: 'path-dot-dot',
    what: 'a path that is asked for may lie outside',
    file: 'src/restore/wanted.ts',
    find: `part === '..' || part === ''`,
    replace: `part === ''`,
    tests: ['test/unit/restore/path-selection.test.ts'],
  },
  {
    name: 'index-of-another',
    what: "another snapshot's index is taken",
    file: 'src/restore/contents.ts',
    find: `(of ?? header?.snapshot) !== snapshot.id`,
    replace: `(of ?? header?.snapshot) === undefined`,
    tests: ['test/unit/restore/contents.test.ts'],
  },
  {
    name: 'undo-forward',
    what: 'units are undone in the order they were placed',
    file: 'src/restore/scripts/lib/undo.sh',
    find: `    undo_n=$units
    while [ "$undo_n" -gt 0 ]; do
      undo_unit "$undo_n" || {
        undo_stuck
        return 1
      }
      undo_n=$((undo_n - 1))
    done`,
    replace: `    undo_n=1
    while [ "$undo_n" -le "$units" ]; do
      undo_unit "$undo_n" || {
        undo_stuck
        return 1
      }
      undo_n=$((undo_n + 1))
    done`,
    tests: ['test/integration/restore-undo-order.test.ts'],
  },
  {
    name: 'undo-goes-on-when-stuck',
    what: 'services start over data that could not be put back',
    file: 'src/restore/scripts/lib/undo.sh',
    find: `      undo_unit "$undo_n" || {
        undo_stuck
        return 1
      }`,
    replace: `      undo_unit "$undo_n" || undo_stuck`,
    tests: ['test/integration/restore-scripts.test.ts'],
  },
]
