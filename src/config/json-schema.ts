import { z } from 'zod'
import { configSchema } from './schema.ts'

/** The JSON Schema of hosts.yaml for editors: `hosts.schema.json` holds it as {@link configJsonSchemaText}. */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(configSchema(), { io: 'input' })
  return { $schema, title: 'hosts.yaml of relay-backup', ...schema }
}

/** The schema as text, without a trailing newline. */
export function configJsonSchemaText(): string {
  return JSON.stringify(configJsonSchema(), null, 2)
}
