/** What names a file system can hold. */
export interface NameRules {
  /** `any`: all bytes. `unicode`: valid UTF-8 only (macOS). `windows`: what Windows allows. */
  readonly characters: 'any' | 'unicode' | 'windows'
  /** Names that differ in case or in their form of Unicode only are one and the same there. */
  readonly folds: boolean
}

/**
 * Names of members as this machine can hold them. What can't be in a name is percent-encoded (`CON` becomes `%43ON`),
 * and of names that are one and the same here the second gets `~2`. A member has the same name whenever it is asked for,
 * and two members never share one.
 */
export class LocalNames {
  readonly #rules: NameRules
  /** Names of directories and files that were given, as the file system sees them, with the part that each is for. */
  readonly #taken = new Map<string, string>()

  constructor(rules: NameRules) {
    this.#rules = rules
  }

  /**
   * The name on this machine, relative, with slashes; valid UTF-8 unless the rules allow any bytes.
   *
   * @param member in latin1, without empty parts, `.` and `..`
   */
  of(member: string): Buffer {
    const { characters, folds } = this.#rules
    if (characters === 'any' && !folds) return Buffer.from(member, 'latin1')
    let path = ''
    for (const part of member.split('/')) {
      const name = folds ? this.#unshared(path, part) : localPart(part, characters)
      path = path === '' ? name : `${path}/${name}`
    }
    return Buffer.from(path, 'latin1')
  }

  #unshared(parent: string, part: string): string {
    const name = localPart(part, this.#rules.characters)
    for (let number = 1; ; number += 1) {
      const tried = number === 1 ? name : `${name}~${number}`
      const key = `${parent}/${folded(tried)}`
      const owner = this.#taken.get(key)
      if (owner === undefined) this.#taken.set(key, part)
      if (owner === undefined || owner === part) return tried
    }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** As a file system that folds compares names. */
function folded(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8')
  return text.normalize('NFD').toUpperCase().toLowerCase()
}

/** One part of a path, in latin1, as these rules can hold it. */
function localPart(part: string, characters: NameRules['characters']): string {
  if (characters === 'any') return part
  const valid = isUtf8(part) ? part : part.replaceAll(/[\x80-\xff]/g, encoded)
  if (characters === 'unicode') return valid
  const name = valid
    .replaceAll(/[\x00-\x1f\x7f<>:"|?*\\]/g, encoded)
    .replace(/[. ]+$/, (end) => end.replaceAll(/./g, encoded))
  return isDevice(name) ? `${encoded(name)}${name.slice(1)}` : name
}

/** Windows opens a device for these names, whatever stands behind a dot; `¹`, `²` and `³` count as digits. */
function isDevice(name: string): boolean {
  const stem = (name.split('.')[0] ?? '').trimEnd()
  return /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)(\d|\xc2[\xb9\xb2\xb3]))$/i.test(stem)
}

function encoded(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

function isUtf8(latin1: string): boolean {
  try {
    utf8.decode(Buffer.from(latin1, 'latin1'))
    return true
  } catch {
    return false
  }
}
