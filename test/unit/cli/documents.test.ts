import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configJsonSchema } from '../../../src/config/json-schema.ts'
import { HEAD, problemsOf, withHost } from '../config/fixture.ts'
import { type Piece, codeSpans, piecesOf } from './markdown.ts'
import { OTHER_PROGRAMS, commands, flagsOf, knownFlags, problemOf, program } from './typed.ts'

// What the documents name must exist, and what exists must be in the documents. What does not exist yet is named
// under a heading "Planned" and nowhere else.

const ROOT = join(import.meta.dirname, '../../..')
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')

/** The documents, each with its pieces; of the changelog, what is not released yet. */
const documents = globSync(['*.md', 'docs/**/*.md', 'bench/README.md'], { cwd: ROOT })
  .sort()
  .map((file) => {
    const pieces = piecesOf(read(file))
    return {
      file,
      pieces: file === 'CHANGELOG.md' ? pieces.filter(({ under }) => under[1] === '[Unreleased]') : pieces,
    }
  })

const isPlanned = ({ under }: Piece): boolean => under.includes('Planned')
const present = documents.map(({ file, pieces }) => ({
  file,
  pieces: pieces.filter((piece) => !isPlanned(piece)),
}))
const spansOf = (pieces: readonly Piece[]) =>
  pieces.filter(({ kind }) => kind !== 'code').flatMap(({ text }) => codeSpans(text))
const sectionOf = (file: string, heading: (text: string) => boolean): string =>
  (present.find((one) => one.file === file)?.pieces ?? [])
    .filter(({ under }) => under.some(heading))
    .map(({ text }) => text)
    .join('\n')
/** Words in code spans: `{ url, timeout }` has two. */
const codeWords = (text: string): Set<string> =>
  new Set(codeSpans(text).flatMap(({ code }) => code.match(/[A-Za-z]\w*/g) ?? []))

describe('commands and flags', () => {
  const page = 'docs/design/commands.md'

  test.each([...commands])(`${page} has %s with all its flags`, (name, command) => {
    const group = name.split(' ')[0] ?? ''
    const section = sectionOf(page, (text) =>
      codeSpans(text).some(({ code }) => `${code} `.startsWith(`${name} `) || code === group),
    )
    expect(codeSpans(section).some(({ code }) => `${code} `.startsWith(`${name} `))).toBe(true)
    const named = new Set(codeSpans(section).flatMap(({ code }) => code.match(/--[a-z][a-z-]*/g) ?? []))
    expect(flagsOf(command).filter((flag) => !named.has(flag))).toEqual([])
  })

  test(`${page} has the flags of every command`, () => {
    const named = new Set(sectionOf(page, (text) => text === 'Everywhere').match(/--[a-z][a-z-]*/g))
    expect([...flagsOf(program), '--help'].filter((flag) => !named.has(flag))).toEqual([])
  })

  test(`a table of ${page} names only flags of its command`, () => {
    const wrong: string[] = []
    for (const { kind, text, under } of present.find(({ file }) => file === page)?.pieces ?? []) {
      if (kind !== 'text' || !text.startsWith('| `--')) continue
      const names = codeSpans(under.at(-1) ?? '').map(({ code }) => code.replace(/ [^a-z].*$/, ''))
      const theirs = [...commands]
        .filter(([name]) => names.some((one) => name === one || name.startsWith(`${one} `)))
        .map(([, command]) => command)
      const flags = new Set((theirs.length === 0 ? [program] : theirs).flatMap(flagsOf)).add('--help')
      const first = text.split(/(?<!\\)\|/)[1] ?? ''
      const unknown = (first.match(/--[a-z][a-z-]*/g) ?? []).filter((flag) => !flags.has(flag))
      wrong.push(...unknown.map((flag) => `${names.join(', ')}: ${flag}`))
    }
    expect(wrong).toEqual([])
  })

  test('the first page has every command', () => {
    const named = new Set(
      codeSpans(sectionOf('docs/design.md', (text) => text === 'Commands')).map(({ code }) => code),
    )
    expect([...commands.keys()].filter((name) => !named.has(name))).toEqual([])
  })

  test('no document tells to type what can not be typed', () => {
    const wrong: string[] = []
    let seen = 0
    const lines = present.flatMap(({ file, pieces }) =>
      pieces.flatMap(({ kind, text }) => {
        const codes = kind === 'code' ? text.split('\n') : codeSpans(text).map(({ code }) => code)
        return codes.map((code) => ({ file, code }))
      }),
    )
    const comments = read('hosts.example.yaml').split('\n')
    for (const { file, code } of [
      ...lines,
      ...comments.map((code) => ({ file: 'hosts.example.yaml', code })),
    ]) {
      const typed = /(?<![./\w-])relay-backup ([a-z-][^#)]*)/.exec(code)?.[1]?.trim()
      if (typed === undefined) continue
      seen += 1
      const problem = problemOf(typed, { whole: true })
      if (problem !== undefined) wrong.push(`${file}: relay-backup ${typed}: ${problem}`)
    }
    expect(wrong).toEqual([])
    expect(seen).toBeGreaterThan(15)
  })

  test('no document names a command with a flag that it does not have', () => {
    const wrong: string[] = []
    let seen = 0
    for (const { file, pieces } of present) {
      for (const { code } of spansOf(pieces)) {
        const isOurs = [...commands.keys()].some((name) => code.startsWith(`${name} `))
        if (!isOurs) continue
        seen += 1
        const problem = problemOf(code, { whole: false })
        if (problem !== undefined) wrong.push(`${file}: ${code}: ${problem}`)
      }
    }
    expect(wrong).toEqual([])
    expect(seen).toBeGreaterThan(10)
  })

  test('no document names a flag that no command has', () => {
    const wrong: string[] = []
    for (const { file, pieces } of present) {
      for (const { code, before } of spansOf(pieces)) {
        for (const { 0: flag, index } of code.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)) {
          const context = before + code.slice(0, index)
          if (!knownFlags.has(flag) && !OTHER_PROGRAMS.test(context)) wrong.push(`${file}: ${code}`)
        }
      }
    }
    expect(wrong).toEqual([])
  })
})

interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly const?: unknown
}

const root = configJsonSchema() as Schema
const led = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : (root.$defs?.[schema.$ref.replace('#/$defs/', '')] ?? {})
/** The forms that a value may have. */
const formsOf = (schema: Schema): Schema[] => {
  const { anyOf = [], oneOf = [] } = led(schema)
  const inner = [...anyOf, ...oneOf]
  return inner.length === 0 ? [led(schema)] : inner.flatMap(formsOf)
}
/** The value at a path; `*` is any name. */
const at = (path: string): Schema[] =>
  path
    .split('.')
    .filter((key) => key !== '')
    .reduce<Schema[]>(
      (found, key) =>
        found.flatMap(formsOf).flatMap(({ properties, additionalProperties }) => {
          const next = key === '*' ? additionalProperties : properties?.[key]
          return typeof next === 'object' ? [next] : []
        }),
      [root],
    )
    .flatMap(formsOf)
const keysOf = (schema: Schema): string[] => Object.keys(schema.properties ?? {})
/** The keys of a value and of all that lies in it. */
const allKeysOf = (schema: Schema): string[] =>
  formsOf(schema).flatMap((form) => [
    ...keysOf(form),
    ...Object.values(form.properties ?? {}).flatMap(allKeysOf),
    ...(typeof form.additionalProperties === 'object' ? allKeysOf(form.additionalProperties) : []),
    ...(form.items === undefined ? [] : allKeysOf(form.items)),
  ])
const HOST = 'hosts.*'
const kinds = new Map(at(`${HOST}.sources.*`).map((form) => [String(form.properties?.kind?.const), form]))
const managers = new Map(
  at(`${HOST}.services`).map((form) => [String(form.properties?.manager?.const), form]),
)

test('docs/source-code.md names only files and folders that are there', () => {
  const there = globSync(['{src,bin,test,scripts}/**', 'eslint.config.js'], { cwd: ROOT })
  const named = codeSpans(read('docs/source-code.md')).flatMap(
    ({ code }) => /^[a-z][a-z\d./-]*(?:\.(?:ts|sh|js)|\/)$/.exec(code)?.[0] ?? [],
  )
  const missing = named.filter(
    (name) => !there.some((one) => `/${one}`.endsWith(`/${name.replace(/\/$/, '')}`)),
  )
  expect(missing).toEqual([])
  expect(named.length).toBeGreaterThan(50)
})

describe('config keys', () => {
  const page = 'docs/design/config.md'
  /** Keys that have a section of their own. */
  const elsewhere = new Set(['encryption.passphrase', 'retention'].flatMap(at).flatMap(keysOf))
  const places: [string, readonly string[]][] = [
    ['At the top', at('').flatMap(keysOf)],
    ['`encryption`', at('encryption').flatMap(keysOf)],
    ['`retention`', at('retention').flatMap(keysOf)],
    ['A host', at(HOST).flatMap(keysOf)],
    ['`ssh`', at(`${HOST}.ssh`).flatMap(keysOf)],
    ['`services`', at(`${HOST}.services`).flatMap(allKeysOf)],
    [
      'A source',
      [...kinds.keys(), ...at(`${HOST}.sources.*`).flatMap(allKeysOf)].filter((key) => !elsewhere.has(key)),
    ],
    ['A secret', at('encryption.passphrase').flatMap(keysOf)],
  ]

  test.each(places)(`${page}, "%s", has every key`, (heading, keys) => {
    expect(keys.length).toBeGreaterThan(2)
    const words = codeWords(sectionOf(page, (text) => text === heading))
    expect([...new Set(keys)].filter((key) => !words.has(key))).toEqual([])
  })

  const cellsOf = (heading: string): string[][] =>
    (present.find(({ file }) => file === page)?.pieces ?? [])
      .filter(({ kind, text, under }) => kind === 'text' && text.startsWith('|') && under.at(-1) === heading)
      .map(({ text }) => text.split(/(?<!\\)\|/).slice(1, -1))
      .slice(2)
  const namesIn = (cell = ''): string[] => codeSpans(cell).map(({ code }) => code)

  test.each(places.slice(0, 5))(`the table of ${page}, "%s", names only keys that exist`, (heading, keys) => {
    expect(
      cellsOf(heading)
        .flatMap(([key]) => namesIn(key))
        .filter((key) => !keys.includes(key)),
    ).toEqual([])
  })

  test(`${page} names the kinds of source, each with its own keys`, () => {
    const documented = new Map<string, string[]>()
    let kind = ''
    for (const [first, second] of cellsOf('A source')) {
      kind = namesIn(first)[0] ?? kind
      documented.set(kind, [...(documented.get(kind) ?? []), ...namesIn(second)])
    }
    const everyKind = ['kind', 'retention', 'quiesce']
    const real = [...kinds].map(([name, form]) => [
      name,
      keysOf(form).filter((key) => !everyKind.includes(key)),
    ])
    const sorted = (entries: Iterable<readonly unknown[]>) =>
      Object.fromEntries([...entries].map(([name, keys]) => [name, [...(keys as string[])].sort()]))
    expect(sorted(documented)).toEqual(sorted(real))
  })

  test(`${page} names the managers of services, each with its own keys`, () => {
    const rows = new Map(
      cellsOf('`services`').map(([name, text]) => [namesIn(name)[0] ?? '', codeWords(text ?? '')]),
    )
    expect([...rows.keys()].sort()).toEqual([...managers.keys()].sort())
    for (const [name, form] of managers) {
      const own = keysOf(form).filter((key) => key !== 'manager' && key !== 'health')
      expect([name, own.filter((key) => !rows.get(name)?.has(key))]).toEqual([name, []])
    }
  })

  test('every piece of config in a document is a good one', () => {
    const wrong: string[] = []
    let seen = 0
    for (const { file, pieces } of present) {
      for (const { kind, language, text } of pieces) {
        if (kind !== 'code' || language !== 'yaml') continue
        seen += 1
        const whole = /^hosts:/m.test(text)
        const config = !whole
          ? withHost(/^services:/m.test(text) ? text : `services: { manager: compose }\n${text}`)
          : /^version:/m.test(text)
            ? text
            : HEAD + text
        wrong.push(...problemsOf(config).map(({ path, message }) => `${file}: ${path}: ${message}`))
      }
    }
    expect(wrong).toEqual([])
    expect(seen).toBeGreaterThan(2)
  })

  test('no document names a config key that does not exist', () => {
    const wrong: string[] = []
    const known = new Set(allKeysOf(root))
    /** Keys of other programs' files. */
    const foreign = new Set(['restart', 'name', 'external', 'complete', 'pointInTime'])
    const tops = new Set([...at('').flatMap(keysOf), ...at(HOST).flatMap(keysOf)])
    let seen = 0
    for (const { file, pieces } of present) {
      for (const { code } of spansOf(pieces)) {
        const keys = /^\{? ?([a-z]\w*(?:\.[a-z]\w*)*)(?::(?: |$)|$)/i.exec(code)?.[1]?.split('.') ?? []
        const isKey =
          code.includes(':') || (keys.length > 1 && tops.has(keys[0] ?? '') && !/\.(?:yaml|json)$/.test(code))
        if (!isKey || keys.length === 0) continue
        seen += 1
        wrong.push(
          ...keys
            .filter((key) => !known.has(key) && !foreign.has(key))
            .map((key) => `${file}: ${code}: ${key}`),
        )
      }
    }
    expect(wrong).toEqual([])
    expect(seen).toBeGreaterThan(20)
  })
})

describe('what is planned', () => {
  const planned = documents.flatMap(({ pieces }) => spansOf(pieces.filter(isPlanned)).map(({ code }) => code))

  test('does not exist', () => {
    const known = new Set([
      ...commands.keys(),
      ...program.commands.map((one) => one.name()),
      ...kinds.keys(),
      ...allKeysOf(root),
    ])
    const lasts = planned.map((code) => [code, code.split('.').at(-1) ?? ''] as const)
    expect(lasts.filter(([, last]) => known.has(last))).toEqual([])
    expect(
      planned.filter((code) => code.includes(' --') && problemOf(code, { whole: false }) === undefined),
    ).toEqual([])
    expect(planned.length).toBeGreaterThan(2)
  })

  test('is named nowhere else', () => {
    const wrong: string[] = []
    for (const { file, pieces } of present) {
      for (const { code } of spansOf(pieces)) {
        // A field of the vault's files may be called like a command.
        if (file === 'docs/design/vault.md' && !code.includes(' ')) continue
        const name = planned.find(
          (one) => code === one || code.startsWith(`${one} `) || code.startsWith(`${one}:`),
        )
        if (name !== undefined) wrong.push(`${file}: ${code}`)
      }
    }
    expect(wrong).toEqual([])
  })
})
