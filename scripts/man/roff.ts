// Manual pages in the language of man(7), as groff and mandoc read it: https://man.openbsd.org/man.7

/** Text as roff shows it: to the letter, `-` as the character that can be typed. */
export function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^(?=[.'])/gm, '\\&')
}

export const bold = (text: string): string => `\\fB${plain(text)}\\fR`
export const italic = (text: string): string => `\\fI${plain(text)}\\fR`

/** `` `code` `` of our descriptions in bold. */
export function marked(text: string): string {
  return text
    .split(/`([^`]+)`/)
    .map((piece, index) => (index % 2 === 0 ? plain(piece) : bold(piece)))
    .join('')
}

/** An entry of a list: a tag, and below it what is said of the tag. */
export const entry = (tag: string, text: string): string[] => ['.TP', tag, text]

export const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`.SH ${title.toUpperCase()}`, ...lines]

/** A whole page. There is no date in it, so that the same source makes the same page. */
export function page(name: string, chapter: number, version: string, lines: readonly string[]): string {
  const title = [name.toUpperCase(), String(chapter), '', `relay-backup ${version}`, 'relay-backup']
  // No hyphenation and no justification: names, paths and commands stay as they are typed.
  return [`.TH ${title.map((part) => `"${plain(part)}"`).join(' ')}`, '.nh', '.ad l', ...lines, ''].join('\n')
}
