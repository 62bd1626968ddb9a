// Writes the manual pages into a directory: `node scripts/man.ts DIR`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProgram } from '../src/cli/program.ts'
import { configJsonSchema } from '../src/config/json-schema.ts'
import { TOOL } from '../src/version.ts'
import { commandPages } from './man/command-pages.ts'
import { configPage } from './man/config-page.ts'

/** Every manual page, by file name; the ending is the chapter. Made from the command line's and config's declarations. */
export function manPages(): Map<string, string> {
  const program = createProgram(TOOL.version, () => Promise.resolve())
  return new Map([...commandPages(program, TOOL.version), ...configPage(configJsonSchema(), TOOL.version)])
}

/** Writes {@link manPages} into a directory, which is made when it is not there. */
export function writeManPages(directory: string): void {
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of manPages()) writeFileSync(join(directory, name), text)
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2)
  if (directory === undefined) {
    console.error('node scripts/man.ts DIR')
    process.exit(2)
  }
  writeManPages(directory)
}
