import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { OTHER_PROGRAMS, knownFlags, problemOf } from './typed.ts'

const SRC = join(import.meta.dirname, '../../../src')

/** Words behind the program's name in prose, where no command is meant. */
// `sh`: there the program's name is the name of a script (remote/scripts/lib/login.sh).
const PROSE = new Set(['that', 'writes', 'beside', 'directories', 'directory', 'sh'])
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

test('no message names a command or flag that does not exist, or leaves out one that it needs', () => {
  const wrong: string[] = []
  let seen = 0
  for (const { file, text } of texts) {
    for (const [, rest = ''] of text.matchAll(/(?<![./\w-])relay-backup (?=([a-z-].*))/g)) {
      const typed = (rest.split(/[;,)'"`|]|\.(?:\s|$)/)[0] ?? '').trim()
      if (PROSE.has(typed.split(' ')[0] ?? '')) continue
      seen += 1
      const problem = problemOf(typed, { whole: true })
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
      if (!knownFlags.has(flag) && !OTHER_PROGRAMS.test(text.slice(0, index))) wrong.push(`${file}: ${flag}`)
    }
  }
  expect(wrong).toEqual([])
})
