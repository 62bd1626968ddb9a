import { readFileSync } from 'node:fs'

/** The tool's name and version as manifests record them; package.json is the only place that knows. */
export const TOOL: { readonly name: string; readonly version: string } = {
  name: 'relay-backup',
  version: readVersion(),
}

function readVersion(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
