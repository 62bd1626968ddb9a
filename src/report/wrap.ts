import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'fast-string-width'

/** Programs that messages tell people to type, with the blank behind their name. */
const PROGRAMS =
  'relay-backup|docker(?:-compose)?|ssh|ssh-keygen|ssh-add|gpg|[a-z]+-cli|systemctl|chown|chmod|sudo|apt-get|apk|npm|npx'
/** Words with which a sentence goes on behind a command. */
const GOES_ON = 'and|or|then|to|is|says|tells|when|if|with|which|again|once'
/**
 * What is not broken: a piece in quotes or backticks, a command to copy up to where the sentence goes on, else a word.
 * An apostrophe within a word opens nothing.
 */
const PIECE = new RegExp(
  [
    '`[^`]+`',
    '"[^"]+"',
    "'[^']+'(?![\\w'])",
    '[(\\[]+(?=\\S)',
    `(?:${PROGRAMS})(?: (?<![.:] )(?!–|(?:${GOES_ON})\\b)(?:'[^']*'|"[^"]*"|[^\\s;,()"'\`])+)+`,
    '\\S',
  ].join('|'),
  'y',
)
const WORD = /\S+/y
const BLANKS = /\s*/y

/** A line that is a command stays as it is: it may be copied, and a break within it would be another command. */
const COMMAND_LINE = new RegExp(`^ *\\(?(?:${PROGRAMS}|crontab|cd|echo) `)

/** Lines narrower than this help nobody. */
const LEAST_ROOM = 20

/**
 * Lines of at most `room` columns as a terminal counts them, all but the first begun with `hang`. It is broken between
 * words only. Commands to copy and what stands in quotes stay whole; a piece wider than `room` has a line of its own.
 */
export function wrapLine(text: string, room: number, hang = ''): string[] {
  if (widthOf(text) <= room) return [text]
  const lines: string[] = []
  for (const { gap, piece } of piecesOf(text)) {
    const last = lines.at(-1)
    if (last === undefined) lines.push(gap + piece)
    else if (widthOf(last) + gap.length + widthOf(piece) <= room)
      lines[lines.length - 1] = `${last}${gap}${piece}`
    else lines.push(hang + piece)
  }
  return lines
}

/**
 * Each line of a text as {@link wrapLine} does it, what goes on indented by two more than where it begins. Without
 * columns, which means without a terminal, the text stays as it is.
 */
export function wrapText(text: string, columns: number | undefined): string {
  if (columns === undefined) return text
  const room = Math.max(LEAST_ROOM, columns)
  return text
    .split('\n')
    .flatMap((line) =>
      COMMAND_LINE.test(line) ? [line] : wrapLine(line, room, `${/^ */.exec(line)?.[0] ?? ''}  `),
    )
    .join('\n')
}

/** Of a stream, where it is a terminal and says how wide it is. */
export function columnsOf(stream: NodeJS.WriteStream): number | undefined {
  return stream.isTTY && stream.columns > 0 ? stream.columns : undefined
}

/** Columns that a terminal needs for it; colours need none. */
function widthOf(text: string): number {
  const shown = stripVTControlCharacters(text)
  return /^[ -~]*$/.test(shown) ? shown.length : stringWidth(shown)
}

/** What may stand on lines of its own, each with the blanks before it. */
function piecesOf(text: string): { readonly gap: string; readonly piece: string }[] {
  const pieces: { readonly gap: string; piece: string }[] = []
  let at = 0
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at
    const taken = pattern.exec(text)?.[0] ?? ''
    at += taken.length
    return taken
  }
  while (at < text.length) {
    const gap = take(BLANKS)
    let piece = ''
    // What touches stays together: a bracket before a command, a comma behind it.
    while (at < text.length && !/\s/.test(text.charAt(at))) {
      const part = take(PIECE)
      piece += part.length === 1 ? part + (/^[(["'`]$/.test(part) ? '' : take(WORD)) : part
    }
    if (piece !== '') pieces.push({ gap, piece })
  }
  return pieces
}
