import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startWorld } from '../lab/world.ts'

test.each([1, 2])(
  'MaxSessions %i hung a pull, or a restore with its safety snapshot, for ever',
  async (maxSessions) => {
    await using world = await startWorld({ sshd: { maxSessions } })
    const pulled = await world.cli('pull', 'prod')
    expect(pulled.code, pulled.stderr + pulled.stdout).toBe(0)
    const file = join(world.deployment, 'docker-compose.yml')
    const before = await readFile(file, 'utf8')
    await writeFile(file, 'changed')
    const restored = await world.cli('restore', '--host', 'prod', '--source', 'config', '--yes', '--no-start')
    expect(restored.code, restored.stderr).toBe(0)
    expect(restored.stderr + restored.stdout).toMatch(/safety/)
    expect(await readFile(file, 'utf8')).toBe(before)
  },
)
