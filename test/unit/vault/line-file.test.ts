import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { appendLine, parseLines, readLines } from '../../../src/vault/line-file.ts'
import { temporaryDirectory } from './fixtures.ts'

async function threeLines(file: string): Promise<string> {
  for (const n of [1, 2, 3]) await appendLine(file, { n, text: 'a "quote" \\ and\nmore' })
  return await readFile(file, 'utf8')
}

test('any flipped bit of a line is found, and the other lines still count', async () => {
  await using directory = await temporaryDirectory()
  const good = await threeLines(join(directory.path, 'lines'))
  expect(parseLines(good)).toMatchObject({ values: [{ n: 1 }, { n: 2 }, { n: 3 }], problems: [] })
  const bytes = Buffer.from(good)
  // The very last newline apart: without it the last line is one that a crash cut off.
  for (let at = good.indexOf('\n') + 1; at < bytes.length - 1; at += 1) {
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] ?? 0) ^ 0x02
    expect(parseLines(damaged.toString('utf8')).problems, `byte ${at}`).not.toEqual([])
  }
})

test('a line that a crash cut off is no problem, neither last nor before others', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'lines')
  await threeLines(file)
  await appendFile(file, '{"n":4,"te')
  expect((await readLines(file)).problems).toEqual([])
  await appendLine(file, { n: 5 })
  const { values, problems } = await readLines(file)
  expect(values.map(({ n }) => n)).toEqual([1, 2, 3, 5])
  expect(problems).toEqual([])
})

test('lines of an older version have no check, and stand before all that have one', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'lines')
  await writeFile(file, '{"n":0}\n')
  const good = await threeLines(file)
  expect(parseLines(good).problems).toEqual([])
  expect(parseLines(`${good}{"n":4}\n`).problems).toMatchObject([{ line: 5 }])
})
