import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Report } from '../../bench/report/rows.ts'
import { tempDir } from '../lab/temp.ts'

const run = promisify(execFile)
const BENCH = join(import.meta.dirname, '../../bench/main.ts')

test('the bench measures ours and the peers, judges the targets, and writes its files', async () => {
  await using temp = await tempDir()
  const { stdout } = await run(process.execPath, [
    BENCH,
    ...['mixed', 'start-up', '--rounds', '1', '--scale', '0.0005', '--json', '--out', temp.path],
  ])
  const report = JSON.parse(stdout) as Report
  const steps = (scenario: string) =>
    report.measurements.filter((one) => one.scenario === scenario).map(({ step, who }) => `${who}: ${step}`)
  expect(steps('mixed')).toEqual([
    'relay-backup: first',
    'relay-backup: unchanged',
    'relay-backup: restore',
    'shell pipe: first',
    'shell pipe: unchanged',
    'shell pipe: restore',
    'rsync: first',
    'rsync: unchanged',
    'restic: first',
    'restic: unchanged',
    'borg: first',
    'borg: unchanged',
  ])
  for (const { samples } of report.measurements) {
    for (const sample of samples) expect(sample.seconds).toBeGreaterThan(0)
  }
  expect(report.measurements.every(({ samples }) => samples.every(({ rssBytes }) => rssBytes > 1e6))).toBe(
    true,
  )
  expect(report.targets.map(({ about }) => about)).toContain('list of 1,000 snapshots')
  expect((await readdir(temp.path)).sort()).toEqual(['RESULTS.md', 'chart.svg', 'results.json'])
  expect(await readFile(join(temp.path, 'RESULTS.md'), 'utf8')).toContain('| --version')
})

test('an unknown scenario is refused with its name', async () => {
  await expect(run(process.execPath, [BENCH, 'mixd'])).rejects.toThrow('no such scenario: mixd')
})
