import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Command } from 'commander'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'

const SRC = join(import.meta.dirname, '../../../src')
const program = createProgram('0', () => Promise.resolve())

/** Words behind the program's name in prose, where no command is meant. */
// `sh`: there the program's name is the name of a script (remote/scripts/lib/login.sh).
const PROSE = new Set(['that', 'writes', 'beside', 'directories', 'directory', 'sh'])
/** Programs whose flags are named in messages, too. */
const OTHERS = /\b(?:gpg|docker|docker-compose|redis-cli|redis-server|tar|apt-get|apk|ulimit|chown|node)\b/

interface Text {
  readonly file: string
  /** What was put in at run time is a `…`. */
  readonly text: string
}

/** Every string of a module; a template as one text. */
function textsOf(path: string): Text[] {
  const file = relative(SRC, path)
  const content = readFileSync(path, 'utf8')
  if (path.endsWith('.sh')) {
    return content
      .split('\n')
      .filter((line) => !line.trimStart().startsWith('#'))
      .map((text) => ({ file, text }))
  }
  const texts: Text[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) texts.push({ file, text: node.text })
    if (ts.isTemplateExpression(node)) {
      const parts = node.templateSpans.map((span) => `…${span.literal.text}`)
      texts.push({ file, text: node.head.text + parts.join('') })
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, content, ts.ScriptTarget.Latest, true))
  return texts
}

const texts = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(?:ts|sh)$/.test(name))
  .flatMap((name) => textsOf(join(SRC, name)))

const flagsOf = (command: Command): string[] => command.options.flatMap(({ long }) => (!long ? [] : [long]))
const known = new Set(
  [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)].flatMap(
    (command) => [...flagsOf(command), '--help'],
  ),
)

/** What is wrong with a command that a message tells people to type; undefined when it can be typed so. */
function problemOf(typed: string): string | undefined {
  const words = typed.split(/\s+/)
  let command: Command = program
  while (command.commands.length > 0) {
    const next = command.commands.find((one) => one.name() === words[0])
    if (next === undefined) return words[0]?.startsWith('-') ? undefined : `no command ${words[0]}`
    command = next
    words.shift()
  }
  const flags = words.filter((word) => /^--[a-z]/.test(word))
  const own = new Set([...flagsOf(command), ...flagsOf(program), '--help'])
  const unknown = flags.find((flag) => !own.has(flag))
  if (unknown !== undefined) return `${command.name()} has no ${unknown}`
  const missing = command.options.find(({ mandatory, long }) => mandatory && !flags.includes(long ?? ''))
  return missing === undefined ? undefined : `${command.name()} needs ${missing.long ?? ''}`
}

test('no message names a command or flag that does not exist, or leaves out one that it needs', () => {
  const wrong: string[] = []
  let seen = 0
  for (const { file, text } of texts) {
    for (const [, rest = ''] of text.matchAll(/(?<![./\w-])relay-backup (?=([a-z-].*))/g)) {
      const typed = (rest.split(/[;,)'"`|]|\.(?:\s|$)/)[0] ?? '').trim()
      if (PROSE.has(typed.split(' ')[0] ?? '')) continue
      seen += 1
      const problem = problemOf(typed)
      if (problem !== undefined) wrong.push(`${file}: relay-backup ${typed}: ${problem}`)
    }
  }
  expect(wrong).toEqual([])
  expect(seen).toBeGreaterThan(30)
})

test('no message names a flag that no command has', () => {
  const wrong: string[] = []
  for (const { file, text } of texts) {
    // Arguments of other programs are words of their own.
    if (!text.includes(' ') || file.endsWith('.sh') || file.startsWith('cli')) continue
    for (const { 0: flag, index } of text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)) {
      if (!known.has(flag) && !OTHERS.test(text.slice(0, index))) wrong.push(`${file}: ${flag}`)
    }
  }
  expect(wrong).toEqual([])
})
