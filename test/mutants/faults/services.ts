import type { Fault } from '../fault.ts'

export const services: readonly Fault[] = [
  {
    name: 'starting-order',
    what: 'services start before what they depend on',
    file: 'src/services/starting-order.ts',
    find: `    for (const one of [...(dependencies.get(name) ?? [])].sort()) visit(one)
    ordered.push(name)`,
    replace: `    ordered.push(name)
    for (const one of [...(dependencies.get(name) ?? [])].sort()) visit(one)`,
    tests: ['test/unit/services/starting-order.test.ts'],
  },
  {
    name: 'volume-ambiguous',
    what: 'one of two volumes is taken',
    file: 'src/services/volume.ts',
    find: `if (second !== undefined || others.length > 0) throw`,
    replace: `if (second !== undefined) throw`,
    tests: ['test/unit/services/volume.test.ts'],
  },
  {
    name: 'volume-of-two-mounted',
    what: 'one of two volumes of the project is taken',
    file: 'src/services/volume.ts',
    find: `if (second !== undefined || others.length > 0) throw`,
    replace: `if (others.length > 0) throw`,
    tests: ['test/unit/services/volume.test.ts'],
  },
  {
    name: 'volume-cut',
    what: 'an answer of Docker that is cut is read',
    file: 'src/services/docker-answer.ts',
    find: `if (!lines.some(([verb]) => verb === 'end')) throw`,
    replace: `if (lines.length < 0) throw`,
    tests: ['test/unit/services/volume.test.ts'],
  },
  {
    name: 'line-secret-shown',
    what: 'what a line of sh prints is shown with the secret in it',
    file: 'src/services/scripts/lib/manager.sh',
    find: `command_hide "$(tail`,
    replace: `command_text="$(tail`,
    tests: ['test/integration/restore-scripts.test.ts'],
  },
  {
    name: 'line-secret-missing',
    what: 'a restore is undone without the secrets of its lines of sh',
    file: 'src/restore/scripts/settle.sh',
    find: `svc_unlocked || {`,
    replace: `true || {`,
    tests: ['test/integration/restore-scripts.test.ts'],
  },
]
