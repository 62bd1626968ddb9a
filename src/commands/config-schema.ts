import { configJsonSchema, configJsonSchemaText } from '../config/json-schema.ts'
import { ExitCode } from '../exit-codes.ts'
import type { CommandOutcome } from './context.ts'

/** `config schema`: the JSON Schema of hosts.yaml, for editors. Needs no config. */
export function configSchemaCommand(): Promise<CommandOutcome> {
  return Promise.resolve({
    exitCode: ExitCode.done,
    text: configJsonSchemaText(),
    verbatim: true,
    json: configJsonSchema(),
  })
}
