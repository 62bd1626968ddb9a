import Table from 'cli-table3'

export interface TableOptions {
  readonly head?: readonly string[]
  /** One a column; columns without one are left-aligned. */
  readonly align?: readonly ('left' | 'right')[]
  /** Bold headings. */
  readonly color?: boolean
}

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
  middle: '  ',
}

/** Columns two blanks apart without borders; wide characters and colours count as what a terminal shows of them. */
export function renderTable(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const { head, align, color = false } = options
  const table = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    ...(align === undefined ? {} : { colAligns: [...align] }),
  })
  if (head !== undefined) table.push(head.map((text) => (color ? `\x1b[1m${text}\x1b[22m` : text)))
  for (const row of rows) table.push([...row])
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
