import { readFile } from 'node:fs/promises'
import { quote } from './quote.ts'

const folder = new URL('./scripts/', import.meta.url)
const loaded = new Map<string, Promise<string>>()

/**
 * The text of `scripts/<name>.sh` with its `# include lib/NAME.sh` lines replaced by those files (each once).
 * Read once a process.
 */
export function loadScript(name: string): Promise<string> {
  let script = loaded.get(name)
  if (script === undefined) {
    script = expand(`${name}.sh`, new Set())
    loaded.set(name, script)
  }
  return script
}

async function expand(file: string, included: Set<string>): Promise<string> {
  const lines = (await readFile(new URL(file, folder), 'utf8')).split('\n')
  const expanded: string[] = []
  for (const line of lines) {
    const library = /^# include (lib\/[a-z0-9-]+\.sh)$/.exec(line)?.[1]
    if (library === undefined) {
      expanded.push(line)
    } else if (!included.has(library)) {
      included.add(library)
      expanded.push(await expand(library, included))
    }
  }
  return expanded.join('\n')
}

/** The line on stderr behind which the script speaks; before it the login shell may have (a noisy .bashrc). */
export const SCRIPT_BEGINS = 'relay-backup:begin\n'

// The script travels in one line: csh, as a login shell, ends a quoted argument at a newline.
const BOOTSTRAP = 'relay_script=$1; shift; echo relay-backup:begin >&2; eval "$(printf %b "$relay_script")"'

/**
 * The command line that runs a script with these arguments on the server, whatever the login shell is. The
 * script's stdin is the command's. Throws RangeError when an argument holds a NUL.
 */
export function commandLine(
  script: string,
  args: readonly string[],
  options: { readonly sudo?: boolean } = {},
): string {
  const oneLine = script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  const words = ['sh', '-c', quote(BOOTSTRAP), 'relay-backup', quote(oneLine), ...args.map(quote)]
  return `exec ${options.sudo === true ? 'sudo -n -- ' : ''}${words.join(' ')}`
}
