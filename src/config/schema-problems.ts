import { z } from 'zod'
import type { ConfigPath } from './document.ts'
import { nearest } from '../model/nearest.ts'
import type { Problem } from './problem.ts'
import { secret } from './contract.ts'

type Schema = z.core.$ZodType
type Issue = z.core.$ZodIssue

/** The problems that zod found, in our words: with suggestions, and never with a value of the file. */
export function schemaProblems(schema: Schema, value: unknown, issues: readonly Issue[]): Problem[] {
  return issues.flatMap((issue) => problemsOf(schema, value, issue))
}

function problemsOf(schema: Schema, value: unknown, issue: Issue): Problem[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(schemaAt(schema, path, value))
      return issue.keys.map((key) => unknownKey([...path, key], key, known))
    }
    case 'invalid_type':
      return [typeProblem(path, issue.expected, valueAt(value, path))]
    case 'invalid_union':
      return unionProblems(schema, value, issue, path)
    default:
      return valueAt(value, path) === undefined
        ? [{ path, at: 'key', message: 'is required' }]
        : [{ path, message: issue.message }]
  }
}

function unknownKey(path: ConfigPath, key: string, known: readonly string[]): Problem {
  const meant = nearest(key, known)
  return {
    path,
    at: 'key',
    message: 'unknown key',
    suggestion: meant === undefined ? `Known keys here: ${known.join(', ')}` : `Did you mean "${meant}"?`,
  }
}

function typeProblem(path: ConfigPath, expected: string, actual: unknown): Problem {
  if (actual === undefined) return { path, at: 'key', message: 'is required' }
  const expectedName = TYPE_NAMES[expected] ?? expected
  if (actual === null)
    return {
      path,
      message: `has no value; expected ${expectedName}`,
      suggestion: 'Give it a value, or remove the line',
    }
  const suggestion =
    expected === 'string' && typeof actual !== 'object' ? { suggestion: 'Put it in quotes' } : {}
  return { path, message: `expected ${expectedName}, found ${typeName(actual)}`, ...suggestion }
}

const TYPE_NAMES: Record<string, string> = {
  string: 'text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
  object: 'a map of keys',
  record: 'a map of names',
  array: 'a list',
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'object') return 'a map'
  return typeof value === 'boolean' ? 'true or false' : 'a number'
}

/** A union's problem is the one of the branch that was clearly meant, else what the union as a whole says. */
function unionProblems(
  schema: Schema,
  value: unknown,
  issue: z.core.$ZodIssueInvalidUnion,
  path: ConfigPath,
): Problem[] {
  if (issue.discriminator !== undefined) return [discriminatorProblem(schema, value, path)]
  const union = schemaAt(schema, path, value)
  const actual = valueAt(value, path)
  if (isSecret(union)) return [secretProblem(path, actual)]
  const meant = issue.errors.filter(
    (branch) => !branch.some((inner) => inner.path.length === 0 && inner.code === 'invalid_type'),
  )
  if (meant.length !== 1 || actual === null || actual === undefined) return [{ path, message: issue.message }]
  return (meant[0] ?? []).flatMap((inner) =>
    problemsOf(schema, value, { ...inner, path: [...path, ...inner.path] } as Issue),
  )
}

function secretProblem(path: ConfigPath, actual: unknown): Problem {
  const literal = typeof actual !== 'object'
  return {
    path,
    message: literal
      ? 'never write a secret into this file; say where it is to be found'
      : 'is not one of the four ways to name a secret',
    suggestion:
      'Write { keychain: service/account }, { env: NAME }, { file: PATH } or { command: "pass show x" }',
  }
}

/** zod's path ends with the key that tells the branches apart. */
function discriminatorProblem(schema: Schema, value: unknown, path: ConfigPath): Problem {
  const key = String(path.at(-1))
  const union = schemaAt(schema, path.slice(0, -1), value)
  const known =
    union instanceof z.ZodDiscriminatedUnion
      ? union.def.options.flatMap((option) => literalOf(option as Schema, key))
      : []
  const list = `Known: ${known.join(', ')}`
  const written = valueAt(value, path)
  if (written === undefined) {
    const beside = Object.keys(valueAt(value, path.slice(0, -1)) ?? {})
    const typo = nearest(key, beside)
    const suggestion = typo === undefined ? list : `Is "${typo}" meant to be "${key}"? ${list}`
    return { path, at: 'key', message: 'is required', suggestion }
  }
  const meant = typeof written === 'string' ? nearest(written, known) : undefined
  return {
    path,
    message: `unknown ${key}`,
    suggestion: meant === undefined ? list : `Did you mean "${meant}"? ${list}`,
  }
}

/** Also one with a description of its own, which is a copy of another identity. */
function isSecret(schema: Schema | undefined): boolean {
  return schema instanceof z.ZodUnion && schema.def.options === secret.def.options
}

function literalOf(option: Schema, key: string): string[] {
  const literal = option instanceof z.ZodObject ? (option.def.shape[key] as Schema | undefined) : undefined
  return literal instanceof z.ZodLiteral ? [...literal.values].map(String) : []
}

function knownKeys(schema: Schema | undefined): string[] {
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? Object.keys(inner.def.shape) : []
}

function unwrap(schema: Schema | undefined): Schema | undefined {
  return schema instanceof z.ZodOptional ? unwrap(schema.def.innerType) : schema
}

/** The schema that judges the value at a path; of a union, the branch that the value chose. */
function schemaAt(schema: Schema, path: ConfigPath, value: unknown): Schema | undefined {
  let current: Schema | undefined = unwrap(schema)
  let data = value
  for (const step of path) {
    current = unwrap(childSchema(chooseBranch(current, data), step))
    data = valueAt(data, [step])
  }
  // At the end of the path a plain union is returned as it is, because it has a message of its own. Its object branch
  // has the keys.
  if (current instanceof z.ZodDiscriminatedUnion) return discriminated(current, data) ?? current
  if (current instanceof z.ZodUnion && !isSecret(current) && typeof data === 'object' && data !== null)
    return current.def.options.find((option) => option instanceof z.ZodObject) ?? current
  return current
}

function chooseBranch(schema: Schema | undefined, data: unknown): Schema | undefined {
  if (schema instanceof z.ZodDiscriminatedUnion) return discriminated(schema, data)
  if (schema instanceof z.ZodUnion) return schema.def.options.find((option) => option instanceof z.ZodObject)
  return schema
}

function discriminated(union: z.ZodDiscriminatedUnion, data: unknown): Schema | undefined {
  const { discriminator, options } = union.def
  const written = valueAt(data, [discriminator])
  return options.find((option) => literalOf(option, discriminator).includes(String(written)))
}

function childSchema(schema: Schema | undefined, step: string | number): Schema | undefined {
  if (schema instanceof z.ZodObject) return schema.def.shape[step] as Schema | undefined
  if (schema instanceof z.ZodRecord) return schema.def.valueType
  if (schema instanceof z.ZodArray) return schema.def.element
  return undefined
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  let current = value
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined
    current = (current as Record<string | number, unknown>)[step]
  }
  return current
}
