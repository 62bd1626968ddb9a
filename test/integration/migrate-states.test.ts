import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrateHosts } from '../../src/migrate/migrate-hosts.ts'
import type { HostConfig } from '../../src/model/config.ts'
import { signal } from './incremental-lab.ts'
import { makeFiles, RestoreHostsLab, type Files } from './restore-hosts-lab.ts'

const CAPTURED: Files = { '.env': 'A=1\n', 'docker-compose.yml': 'services: {}\n', 'data/d': 'd' }

let lab: RestoreHostsLab
beforeAll(async () => {
  lab = await RestoreHostsLab.start()
  lab.lab.sources = [
    { kind: 'files', name: 'config', paths: ['.env', 'docker-compose.yml'], exclude: [] },
    { kind: 'files', name: 'data', paths: ['data'], exclude: [] },
  ]
  await makeFiles(lab.lab.app, CAPTURED)
})
afterAll(() => lab[Symbol.asyncDispose]())

const rehearse = (to: HostConfig, replace: boolean) => {
  lab.lab.passDays(1)
  return migrateHosts(
    { from: lab.lab.host, to, cutover: false, start: false, replace, dryRun: false, acceptMissing: false },
    {
      restore: lab.dependencies(),
      confirm: () => Promise.resolve(true),
    },
    signal,
  )
}

interface State {
  readonly name: string
  /** What lies in the deployment; undefined: it is not there. */
  readonly there: Files | undefined
  /** What the safety snapshot holds; undefined: none is made, and nothing needs `--replace`. */
  readonly saved: readonly string[] | undefined
}

const STATES: readonly State[] = [
  { name: 'bare', there: undefined, saved: undefined },
  { name: 'of-empty-directories', there: { 'data/': '' }, saved: undefined },
  { name: 'compose-only', there: { 'docker-compose.yml': 'own' }, saved: ['config:docker-compose.yml'] },
  { name: 'half', there: { 'data/own': 'own', '.env': 'own' }, saved: ['config:.env', 'data:data/own'] },
]

describe('a migration to a server that is', () => {
  test.each(STATES)('$name', async ({ name, there, saved }) => {
    const to = lab.host(name)
    if (there !== undefined) {
      await mkdir(to.deployment, { recursive: true })
      await makeFiles(to.deployment, there)
    }
    if (saved !== undefined)
      await expect(rehearse(to, false)).rejects.toMatchObject({ code: 'preflight-not-empty' })
    const report = await rehearse(to, saved !== undefined)
    expect(report).toMatchObject({ outcome: 'done' })
    for (const [file, text] of Object.entries(CAPTURED))
      expect(await readFile(join(to.deployment, file), 'utf8')).toBe(text)
    expect(await readdir(join(to.deployment, 'data'))).toEqual(['d'])
    if (saved === undefined) expect(report.snapshots.safety).toBeUndefined()
    else expect(await lab.filesOf(name, report.snapshots.safety ?? 'none')).toEqual(saved)
  })
})
