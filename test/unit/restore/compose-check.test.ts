import { describe, expect, it } from 'vitest'
import { stagedArguments } from '../../../src/restore/compose-check.ts'

const args = ['--project-name', 'app', '--project-directory', '/app', '--file', '/app/docker-compose.yml']
const unit = (target: string, number: number) => ({
  target,
  staged: `/app/.relay-backup/restore-x/config/${number}`,
})

describe('a Compose project as it will be', () => {
  it('is read from what is staged, and the rest from where it lies', () => {
    expect(stagedArguments({ args }, [unit('/app/docker-compose.yml', 1)])).toEqual({
      args: [...args.slice(0, -1), '/app/.relay-backup/restore-x/config/1'],
      replaced: [{ from: '/app/.relay-backup/restore-x/config/1', to: '/app/docker-compose.yml' }],
    })
    expect(stagedArguments({ args }, [unit('/app/.env', 2)])?.args).toEqual([
      ...args,
      '--env-file',
      '/app/.relay-backup/restore-x/config/2',
    ])
  })

  it('also where a whole directory is staged, and with env files of its own', () => {
    const own = [...args, '--env-file', '/app/deploy/prod.env']
    expect(stagedArguments({ args: own }, [unit('/app/deploy', 3), unit('/app/.env', 4)])?.args).toEqual([
      ...args,
      '--env-file',
      '/app/.relay-backup/restore-x/config/3/prod.env',
    ])
  })

  it('is not asked about when nothing that it reads is restored', () => {
    expect(stagedArguments({ args }, [unit('/app/data', 1), unit('/app/docker', 2)])).toBeUndefined()
    expect(stagedArguments({ args: args.slice(0, 4) }, [unit('/app/.env', 1)])).toBeUndefined()
  })
})
