import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { configJsonSchema, configJsonSchemaText } from '../../../src/config/json-schema.ts'
import { parse } from './fixture.ts'

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8')

interface Node {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | boolean
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly oneOf?: readonly Node[]
  readonly $defs?: Readonly<Record<string, Node>>
  readonly const?: unknown
}

/** Every key that the schema knows, with its own part of it. */
function keysOf(node: Node): [string, Node][] {
  const { properties = {}, additionalProperties, items, anyOf = [], oneOf = [], $defs = {} } = node
  const inner = [items, typeof additionalProperties === 'object' ? additionalProperties : undefined]
  return [
    ...Object.entries(properties),
    ...[...Object.values(properties), ...inner, ...anyOf, ...oneOf, ...Object.values($defs)].flatMap(
      (child) => (child === undefined ? [] : keysOf(child)),
    ),
  ]
}

const keys = keysOf(configJsonSchema() as Node)

test('hosts.schema.json is the schema (if this fails: npm run schema)', () => {
  expect(read('hosts.schema.json')).toBe(`${configJsonSchemaText()}\n`)
})

test('every key has a description', () => {
  // A key with one fixed value, and the four forms of a secret, are described by what holds them.
  const bare = keys.filter(([, node]) => node.description === undefined && node.const === undefined)
  expect([...new Set(bare.map(([key]) => key))].sort()).toEqual(['command', 'env', 'file', 'keychain'])
})

describe('hosts.example.yaml', () => {
  const text = read('hosts.example.yaml')

  test('begins with the line that editors look for, and is a good config', () => {
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/hosts\.schema\.json\n/)
    expect(parse(text).hosts.map((host) => host.name)).toEqual(['prod', 'staging', 'metal', 'custom'])
  })

  test('shows every key in its place, or in a comment there', () => {
    expect(parseDocument(text).errors).toEqual([])
    const missing = keys.map(([key]) => key).filter((key) => !new RegExp(`\\b${key}:`).test(text))
    expect([...new Set(missing)]).toEqual([])
  })
})
