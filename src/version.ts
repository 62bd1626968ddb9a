import { readAsset } from './assets.ts'

/** The tool's name and version as manifests record them; package.json is the only place that knows. */
export const TOOL: { readonly name: string; readonly version: string } = {
  name: 'relay-backup',
  version: readVersion(),
}

function readVersion(): string {
  return (JSON.parse(readAsset('../package.json').toString()) as { version: string }).version
}
