import { stripVTControlCharacters } from 'node:util'
import Table from 'cli-table3'
import stringWidth from 'fast-string-width'

export interface TableOptions {
  readonly head?: readonly string[]
  /** One a column; columns without one are left-aligned. */
  readonly align?: readonly ('left' | 'right')[]
  /** Bold headings. */
  readonly color?: boolean
  /** Of the terminal; undefined where it is none. Rows that are wider go on below, all of them at the same column. */
  readonly columns?: number | undefined
}

const GAP = '  '

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: GAP,
}

/** Columns two blanks apart without borders; wide characters and colours count as what a terminal shows of them. */
export function renderTable(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const { head, align = [], color = false, columns = Infinity } = options
  const bold = (text: string) => (color ? `\x1b[1m${text}\x1b[22m` : text)
  const all = head === undefined ? rows : [head.map(bold), ...rows]
  const parts = partsOf(all, columns).map(({ from, to }) =>
    layout(
      all.map((row) => row.slice(from, to)),
      align.slice(from, to),
    ),
  )
  return all
    .flatMap((_row, at) => parts.map((lines, part) => `${part === 0 ? '' : GAP}${lines[at]}`.trimEnd()))
    .filter((line, at) => at % parts.length === 0 || line !== '')
    .join('\n')
}

/** The columns that stand side by side, from the left; as many as there is room for. */
function partsOf(
  rows: readonly (readonly string[])[],
  room: number,
): readonly { readonly from: number; readonly to: number }[] {
  const widths: number[] = []
  if (room !== Infinity)
    for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, widthOf(cell))))
  const parts = [{ from: 0, to: 0 }]
  let used = 0
  widths.forEach((width, at) => {
    const part = parts.at(-1)!
    used += width + GAP.length
    if (at > part.from && used - GAP.length > room) {
      parts.push({ from: at, to: at + 1 })
      used = GAP.length + width + GAP.length
    } else part.to = at + 1
  })
  return room === Infinity ? [{ from: 0, to: Infinity }] : parts
}

function layout(
  rows: readonly (readonly string[])[],
  align: NonNullable<TableOptions['align']>,
): readonly string[] {
  return rows.every((row) => row.every(isPlain)) ? layoutPlain(rows, align) : layoutAny(rows, align)
}

function widthOf(cell: string): number {
  const shown = stripVTControlCharacters(cell)
  return /^[ -~]*$/.test(shown) ? shown.length : stringWidth(shown)
}

/** One column a character, colours apart. */
function isPlain(cell: string): boolean {
  return /^[ -~]*$/.test(stripVTControlCharacters(cell))
}

/** cli-table3 takes 0.3 s for a list of 1,000 snapshots (seen), this 10 ms; nearly every table is plain. */
function layoutPlain(
  rows: readonly (readonly string[])[],
  align: NonNullable<TableOptions['align']>,
): string[] {
  const lengths = rows.map((row) => row.map((cell) => stripVTControlCharacters(cell).length))
  const widths: number[] = []
  for (const row of lengths) {
    row.forEach((length, column) => (widths[column] = Math.max(widths[column] ?? 0, length)))
  }
  return rows.map((row, index) =>
    row
      .map((cell, column) => {
        const padding = ' '.repeat((widths[column] ?? 0) - (lengths[index]?.[column] ?? 0))
        return align[column] === 'right' ? padding + cell : cell + padding
      })
      .join(GAP),
  )
}

/** Measures what needs measuring. */
function layoutAny(
  rows: readonly (readonly string[])[],
  align: NonNullable<TableOptions['align']>,
): string[] {
  const table = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: [...align],
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString().split('\n')
}
