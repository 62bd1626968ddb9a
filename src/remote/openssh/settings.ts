/** What OpenSSH's config says of a destination: keywords in lower case, each with its values in order. */
export type Settings = ReadonlyMap<string, readonly string[]>

/** The output of `ssh -G`: a keyword and its value a line. */
export function parseSettings(text: string): Settings {
  const settings = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, keyword, value] = /^(\S+) (.*)$/.exec(line) ?? []
    if (keyword === undefined || value === undefined) continue
    const known = settings.get(keyword.toLowerCase())
    if (known === undefined) settings.set(keyword.toLowerCase(), [value])
    else known.push(value)
  }
  return settings
}

/** The value of a keyword that has one; `none` is as if unset. */
export function valueOf(settings: Settings, keyword: string): string | undefined {
  const value = settings.get(keyword)?.[0]
  return value === undefined || value.toLowerCase() === 'none' ? undefined : value
}

/** A keyword of yes and no; OpenSSH prints `true` and `false` for some. */
export function isOn(settings: Settings, keyword: string): boolean {
  return /^(yes|true)$/i.test(settings.get(keyword)?.[0] ?? '')
}

/** Files that OpenSSH prints on one line without quotes: what begins no path belongs to the one before. */
export function fileList(value: string | undefined): string[] {
  const files: string[] = []
  for (const word of value?.split(' ') ?? []) {
    if (files.length > 0 && !/^[/~]/.test(word)) files.push(`${files.pop()} ${word}`)
    else files.push(word)
  }
  return files.filter((file) => file !== '' && file.toLowerCase() !== 'none')
}
