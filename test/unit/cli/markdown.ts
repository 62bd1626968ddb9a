/** A piece of a Markdown document. */
export interface Piece {
  readonly kind: 'heading' | 'text' | 'code'
  /** The language of a fenced block; '' for everything else. */
  readonly language: string
  readonly text: string
  /** The headings above the piece, outermost first; a heading is the last of its own. */
  readonly under: readonly string[]
}

/** The pieces of a document, in order. Lines of one paragraph, list entry or table row are one text. */
export function piecesOf(markdown: string): Piece[] {
  const pieces: Piece[] = []
  let under: string[] = []
  let lines: string[] = []
  let fence: string | undefined
  const flush = (kind: 'text' | 'code', language = ''): void => {
    const text = lines.join(kind === 'text' ? ' ' : '\n')
    if (text.trim() !== '') pieces.push({ kind, language, text, under })
    lines = []
  }
  for (const line of markdown.split('\n')) {
    const ticks = /^ *```(.*)$/.exec(line)
    if (ticks !== null) {
      flush(fence === undefined ? 'text' : 'code', fence)
      fence = fence === undefined ? (ticks[1] ?? '') : undefined
      continue
    }
    if (fence !== undefined) {
      lines.push(line)
      continue
    }
    const heading = /^(#+) (.*)$/.exec(line)
    if (heading !== null) {
      flush('text')
      const text = heading[2] ?? ''
      under = [...under.slice(0, (heading[1]?.length ?? 1) - 1), text]
      pieces.push({ kind: 'heading', language: '', text, under })
    } else if (/^ {4}\S/.test(line) && lines.length === 0) {
      lines.push(line.trim())
      flush('code')
    } else {
      if (/^(?:$| *(?:[-*]|\d+\.) |\|)/.test(line)) flush('text')
      if (line !== '') lines.push(line.trim())
    }
  }
  flush('text')
  return pieces
}

/** The code spans of a text, each with what stands before it. */
export function codeSpans(text: string): { code: string; before: string }[] {
  return [...text.matchAll(/(`+)(.+?)\1(?!`)/g)].map(({ 2: code = '', index }) => ({
    code: code.trim(),
    before: text.slice(0, index),
  }))
}
