import { readAsset } from '../assets.ts'
import type { Privilege } from './contract.ts'
import { quote } from './quote.ts'

const loaded = new Map<string, string>()

/**
 * The text of a script, without comment lines, its lines `# include FOLDER/lib/NAME.sh` replaced by those files (each
 * once). `name` is `FOLDER/NAME` for `FOLDER/scripts/NAME.sh`: scripts lie in the folder of their owner. Read once a
 * process.
 */
export async function loadScript(name: string): Promise<string> {
  let script = loaded.get(name)
  if (script === undefined) {
    script = expand(name, new Set())
    loaded.set(name, script)
  }
  return script
}

function expand(name: string, included: Set<string>): string {
  const text = readAsset(name.replace(/\/((?:lib\/)?[^/]+)$/, '/scripts/$1.sh')).toString()
  const expanded: string[] = []
  for (const line of text.split('\n')) {
    const library = /^# include ([a-z/]+\/lib\/[a-z0-9-]+)\.sh$/.exec(line)?.[1]
    if (library === undefined) {
      // Comments are for people, so a server need not parse them; they are a third of the scripts.
      if (!/^\s*#/.test(line)) expanded.push(line)
    } else if (!included.has(library)) {
      included.add(library)
      expanded.push(expand(library, included))
    }
  }
  return expanded.join('\n')
}

/**
 * The line on stdout and stderr behind which the script speaks. Before it the login shell may have spoken (a noisy
 * .bashrc).
 */
export const SCRIPT_BEGINS = 'relay-backup:begin\n'

/**
 * What a script gets of the environment that the server gave us, besides its arguments: where its tools and its user's
 * files are, and what leads Docker's client to its engine and Compose to its project. Everything else stays outside:
 * TAR_OPTIONS, GZIP and their like make tools leave files out, a locale makes them sort and speak otherwise, and bash
 * takes functions from there.
 */
const KEPT = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'DOCKER_CERT_PATH',
  'DOCKER_TLS',
  'DOCKER_TLS_VERIFY',
  'DOCKER_API_VERSION',
  // For a DOCKER_HOST that is reached over SSH.
  'SSH_AUTH_SOCK',
  'COMPOSE_PROJECT_NAME',
  'COMPOSE_FILE',
  'COMPOSE_PATH_SEPARATOR',
  'COMPOSE_PROFILES',
  'COMPOSE_ENV_FILES',
  'COMPOSE_DISABLE_ENV_FILE',
  // Set by the helper container.
  'RELAY_UID',
  'RELAY_GID',
]

const LOGIN_TO_PIPE =
  'relay_login="umask $(umask); $(export -p)"; eval "$(command printf %b \'exec 9<<RELAY_END\\n$relay_login\\nRELAY_END\\n:\')"; '
const LOGIN_FROM_PIPE = 'RELAY_LOGIN=$(cat <&9); export RELAY_LOGIN; exec 9<&-; '

/**
 * Goes on in a shell of its own with nothing but {@link KEPT} around it. `exec` is a special builtin, so no function
 * that bash took from the environment stands in its place, and what `exec` runs is a file.
 */
function cleanly(program: string, { login }: { readonly login: boolean }): string {
  const kept = KEPT.map((name) => `\${${name}+"${name}=$${name}"}`)
  const go = (script: string): string =>
    `exec env -i LC_ALL=C ${kept.join(' ')} sh -c ${quoteForSh(script)} relay-backup "$@"`
  // The environment for commands that are the user's own (remote/scripts/lib/login.sh). It goes through a pipe, because
  // everybody can read arguments and it may hold secrets. The shell makes the line breaks of the here-document (see
  // below).
  return login ? `${LOGIN_TO_PIPE}${go(`${LOGIN_FROM_PIPE}${program}`)}` : go(program)
}

/** Quotes for a POSIX shell alone, inside a text that {@link quote} quotes. */
function quoteForSh(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

// The script travels in one line: csh, as a login shell, ends a quoted argument at a newline.
const RUN = 'echo relay-backup:begin; echo relay-backup:begin >&2; eval "$(printf %b "$relay_script")"'
const FROM_ARGUMENT = `relay_script=$1; shift; ${RUN}`
// `read` takes one byte after another, so what stands behind the line stays for the script.
const FROM_STDIN = `IFS= read -r relay_script; ${RUN}`

/** SSH servers need not take packets of more than 35,000 bytes (RFC 4253 section 6.1); some do not. */
const ARGUMENT_LIMIT = 24_000

/** How a script is started on a server. */
export interface PreparedScript {
  /** The command line, for whatever login shell. */
  readonly line: string
  /** What must go to its stdin before anything else: a script that is too long for the command line. */
  readonly stdin: string
}

const FROM_HELPER = 'relay_helper=$1; shift; eval "$(printf %b "$relay_helper")"'

/** What a script is started with besides its arguments. */
export interface StartOptions {
  readonly privilege?: Privilege | undefined
  /** The script ends by itself when its stdin ends. */
  readonly leased?: boolean
}

/**
 * Prepares a script and its arguments; the script's stdin is the command's, behind {@link PreparedScript.stdin}.
 * Throws RangeError when an argument holds a NUL.
 */
export async function prepareScript(
  script: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<PreparedScript> {
  const line = oneLine(script)
  const environment = { login: script.includes('RELAY_LOGIN') }
  const isLong = line.length > ARGUMENT_LIMIT
  const words = isLong
    ? ['sh', '-c', quote(cleanly(FROM_STDIN, environment)), 'relay-backup', ...args.map(quote)]
    : [
        'sh',
        '-c',
        quote(cleanly(FROM_ARGUMENT, environment)),
        'relay-backup',
        quote(line),
        ...args.map(quote),
      ]
  return {
    line: `exec ${[...(await elevation(options)), ...words].join(' ')}`,
    stdin: isLong ? `${line}\n` : '',
  }
}

/** The words of a command line that make what follows run as root. */
async function elevation({ privilege, leased }: StartOptions): Promise<readonly string[]> {
  if (privilege === undefined) return []
  if (privilege === 'sudo') return ['sudo', '-n', '--']
  const helper = quote(oneLine(await loadScript('remote/helper')))
  const how = leased === true ? 'leased' : 'plain'
  return [
    'sh',
    '-c',
    quote(cleanly(FROM_HELPER, { login: false })),
    'relay-backup',
    helper,
    quote(privilege.docker.image),
    how,
  ]
}

function oneLine(script: string): string {
  return script.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
