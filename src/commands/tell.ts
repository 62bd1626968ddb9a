import { columnsOf, wrapText } from '../report/wrap.ts'
import type { CommandContext } from './context.ts'

/** Says something to people on stderr before the result, at the terminal's width; nothing under `--json` and `--quiet`. */
export function tell({ progress }: Pick<CommandContext, 'progress'>, text: string): void {
  const { mode, stream } = progress
  if (mode === 'tty' || mode === 'plain') stream.write(`${wrapText(text, columnsOf(stream))}\n`)
}
