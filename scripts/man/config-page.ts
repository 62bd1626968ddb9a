import { bold, entry, italic, marked, page, plain, section } from './roff.ts'

/** What we read of JSON Schema (https://json-schema.org/draft/2020-12). */
interface Schema {
  type?: string
  description?: string
  const?: unknown
  enum?: unknown[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  required?: string[]
  $ref?: string
  $defs?: Record<string, Schema>
}

/** The page of the config file's keys, `relay-backup-hosts.yaml.5`, made from its JSON Schema. */
export function configPage(schema: Schema, version: string): Map<string, string> {
  const name = 'relay-backup-hosts.yaml'
  const { defaults, hosts, ...whole } = schema.properties ?? {}
  const known = new Map<string, string>()
  const host = hosts?.additionalProperties
  const text = page(name, 5, version, [
    ...section('Name', [`${plain(name)} \\- the config file of relay\\-backup`]),
    ...section('Description', [
      'A file in YAML. Only the keys that are named here are taken.',
      `${bold('relay-backup config check')} says every problem of a file, and ${bold('relay-backup config schema')}`,
      'prints its JSON Schema for editors.',
    ]),
    ...section('Keys of the file', [
      ...keysOf({ properties: whole, required: schema.required ?? [] }, '', known),
      ...entry(bold('defaults'), marked(defaults?.description ?? '')),
      ...entry(`${bold('hosts.')}${italic('NAME')}`, 'The servers, by names of your choice.'),
    ]),
    ...section('Keys of a host', typeof host === 'object' ? keysOf(host, '', known) : []),
    ...section(
      'Secrets',
      (schema.$defs?.['secret']?.anyOf ?? []).flatMap((form) => [
        ...Object.keys(form.properties ?? {}).flatMap((key) =>
          entry(`{ ${bold(key)}: ${italic('...')} }`, marked(form.description ?? '')),
        ),
      ]),
    ),
    ...section('See also', [`${bold('relay-backup')}(1)`]),
  ])
  return new Map([[`${name}.5`, text]])
}

/**
 * The keys of an object and of all below it. `known` has the objects told already, each with its first place; `told` is
 * a key that the heading has.
 */
function keysOf(schema: Schema, at: string, known: Map<string, string>, told?: string): string[] {
  return Object.entries(schema.properties ?? {})
    .filter(([key]) => key !== told)
    .flatMap(([key, value]) => {
      const place = at === '' ? key : `${at}.${key}`
      const needed = schema.required?.includes(key) === true ? ' (needed)' : ''
      const said = [marked(value.description ?? ''), values(value)].filter((part) => part !== '')
      const shape = shapeOf(value)
      const first = known.get(shape)
      if (first !== undefined && shape !== '') {
        return entry(bold(place) + needed, [...said, `Its keys are those of ${bold(first)}.`].join('\n'))
      }
      if (shape !== '') known.set(shape, place)
      return [...entry(bold(place) + needed, said.join('\n')), ...below(value, place, known)]
    })
}

function below(schema: Schema, at: string, known: Map<string, string>): string[] {
  const inner = schema.additionalProperties
  if (typeof inner === 'object') return below(inner, `${at}.NAME`, known)
  return (schema.anyOf ?? schema.oneOf ?? [schema]).flatMap((form) => {
    const which = Object.entries(form.properties ?? {}).find(([, value]) => value.const !== undefined)
    if (which === undefined) return keysOf(form, at, known)
    const [key, value] = which
    return [`.SS ${plain(`${at}, ${key}: ${String(value.const)}`)}`, ...keysOf(form, at, known, key)]
  })
}

/** What distinguishes the keys below from others; empty where there are none. */
function shapeOf(schema: Schema): string {
  const { description: _, ...rest } = schema
  return hasKeys(rest) ? JSON.stringify(rest) : ''
}

function hasKeys(schema: Schema): boolean {
  if (schema.properties !== undefined) return true
  const inner = schema.additionalProperties
  return (
    (typeof inner === 'object' && hasKeys(inner)) ||
    (schema.anyOf ?? schema.oneOf ?? []).some((form) => hasKeys(form))
  )
}

function values(schema: Schema): string {
  if (schema.enum !== undefined) return `One of ${schema.enum.map((one) => bold(String(one))).join(', ')}.`
  if (schema.$ref === '#/$defs/secret') return 'A secret; see below.'
  return ''
}
