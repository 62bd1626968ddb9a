import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allKinds, logSuffixes } from '../../../src/sources/registry.ts'

/** The only places outside of a kind's folder that may name it. */
const EXCEPTIONS = [
  // It lists them.
  'src/sources/registry.ts',
  // A sample app that has one of them.
  'src/demo/',
]

/** Kinds whose names are words of everyday language are named where they are compared with, or made. */
const WORDS = new Set(['files', 'volume'])

function namesOf(kind: string): RegExp {
  const quoted = `['"\`]${kind}['"\`]`
  return WORDS.has(kind)
    ? new RegExp(`(kind['"\\]]*|case) *([!=]==|:)? *${quoted}|sources/${kind}/`, 'g')
    : new RegExp(kind, 'gi')
}

test.each(allKinds().map(({ name }) => name))('nothing but its folder and the registry names %s', (kind) => {
  // A volume is a tree of files, once it is found, and so are copies of databases. Among files there may be databases.
  const also: Readonly<Record<string, readonly string[]>> = { files: ['volume', 'sqlite'], sqlite: ['files'] }
  const own = [kind, ...(also[kind] ?? [])].map((folder) => `src/sources/${folder}/`)
  const naming = globSync('src/**/*.{ts,sh}')
    .filter((file) => ![...EXCEPTIONS, ...own].some((place) => file.startsWith(place)))
    .filter((file) => namesOf(kind).test(readFileSync(file, 'utf8')))
  expect(naming).toEqual([])
})

const programs = allKinds().flatMap(({ engine }) => engine?.programs ?? [])

test.each([...programs, ...logSuffixes()])('no script outside of the kinds knows %s', (word) => {
  const knowing = globSync('src/**/*.sh')
    .filter((file) => !file.startsWith('src/sources/'))
    .filter((file) => readFileSync(file, 'utf8').includes(word))
  expect(knowing).toEqual([])
})
