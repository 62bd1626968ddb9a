import type { IndexEntry } from '../../archive/contract.ts'
import { pathFromJson } from '../../model/path-bytes.ts'
import type { ListingRecord } from '../../state/contract.ts'

/** Members under it are tails; no live file may claim it. */
export const TAIL_PREFIX = '.relay-backup/tail/'

const SLASH = 0x2f

const HEAD = `#!/bin/sh
# Makes the tree of this snapshot out of the unpacked chain. Unpack the archives of the snapshots it needs, oldest
# first, and this snapshot's own last, all into one empty directory; then run this there:
#   for each snapshot:  gpg -d SOURCE.tar.zst.gpg | zstd -d | tar -x
#   at the end:         gpg -d SOURCE.replay.sh.gpg | sh
# Run twice it does nothing more. It stops with status 1 when something of the chain is missing.
LC_ALL=C
export LC_ALL
set -u
failed=0

# Every name comes in octal escapes of printf %b, ended by a dot that keeps line breaks at its end.
name() {
  decoded=$(printf '%b.' "$1")
  decoded=./\${decoded%.}
}

lacks() {
  printf 'missing or not as it must be: %s\\n' "$decoded" >&2
  failed=1
}

size() { wc -c <"$1" | tr -d ' '; }

# grow FILE SIZE TAIL: appends a tail to a file of this size, and takes its time from it.
grow() {
  name "$3"
  tail=$decoded
  name "$1"
  if [ ! -f "$decoded" ] || [ -L "$decoded" ]; then lacks; return; fi
  [ -f "$tail" ] || return
  if [ "$(size "$decoded")" != "$2" ]; then lacks; return; fi
  if cat -- "$tail" >>"$decoded" && touch -r "$tail" -- "$decoded"; then rm -f -- "$tail"; else lacks; fi
}

# whole FILE SIZE
whole() {
  name "$1"
  if [ ! -f "$decoded" ] || [ "$(size "$decoded")" != "$2" ]; then lacks; fi
}

gone() {
  name "$1"
  rm -rf -- "$decoded"
}

# at TIME DIRECTORY
at() {
  name "$2"
  if [ -d "$decoded" ]; then touch -d "$1" -- "$decoded"; else lacks; fi
}

`

const FOOT = `
[ "$failed" = 0 ] && rm -rf -- ./${TAIL_PREFIX.slice(0, -1)} && rmdir -- ./.relay-backup 2>/dev/null
exit "$failed"
`

/**
 * The replay script of an incremental (docs/design/vault.md): POSIX sh that, after the chain was unpacked in order into
 * one directory, appends tails, removes what is gone, and sets the times of directories last. No name stands in it as
 * it is: each byte that is not a letter, a digit, or one of `._-/` is an octal escape. Its lines are kept in memory:
 * one for each directory, grown file and removed path.
 */
export class ReplayScript {
  readonly #changes: string[] = []
  readonly #times: string[] = []
  /** The directory whose removal takes along what follows. */
  #removed: Buffer | undefined

  /** Records of the snapshot's listing, in its order. */
  add(record: ListingRecord): void {
    if ('gone' in record) {
      const path = pathFromJson(record.gone)
      if (this.#removed !== undefined && isBelow(path, this.#removed)) return
      if (record.directory) this.#removed = path
      this.#changes.push(`gone ${shellName(path)}\n`)
      return
    }
    const { entry } = record
    if (entry.type === 'file') this.#changes.push(...growth(entry))
    if (entry.type !== 'directory') return
    const time = isoTime(entry.mtimeNs)
    if (time !== undefined) this.#times.push(`at ${time} ${shellName(pathFromJson(entry.path))}\n`)
  }

  /** The whole script, piece by piece, when all records were added. */
  *pieces(): Generator<string> {
    yield HEAD
    yield this.#changes.join('')
    yield this.#times.join('')
    yield FOOT
  }
}

function* growth({ path, size, segments = [] }: IndexEntry): Generator<string> {
  if (segments.length < 2) return
  const name = shellName(pathFromJson(path))
  let before = 0
  for (const { member, length } of segments) {
    if (before > 0) yield `grow ${name} ${before} ${shellName(pathFromJson(member))}\n`
    before += length
  }
  yield `whole ${name} ${size}\n`
}

/** A name as a word of sh that `printf %b` turns back into its bytes. */
function shellName(path: Buffer): string {
  const escaped = path
    .toString('latin1')
    .replaceAll(/[^A-Za-z0-9._/-]/g, (char) => `\\0${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return `'${escaped}'`
}

/** For POSIX `touch -d`; undefined for years that it can't write. */
function isoTime(ns: string): string | undefined {
  const value = BigInt(ns)
  const second = 1_000_000_000n
  const rest = ((value % second) + second) % second
  const date = new Date(Number((value - rest) / 1_000_000n))
  const year = date.getUTCFullYear()
  if (Number.isNaN(year) || year < 0 || year > 9999) return undefined
  return `${date.toISOString().slice(0, 19)}.${String(rest).padStart(9, '0')}Z`
}

function isBelow(path: Buffer, directory: Buffer): boolean {
  return (
    path.length > directory.length &&
    path[directory.length] === SLASH &&
    path.subarray(0, directory.length).equals(directory)
  )
}
