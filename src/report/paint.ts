/** Colours for a person's terminal; with `color: false` every function returns its text as it is. */
export interface Paint {
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
  cyan(text: string): string
  dim(text: string): string
}

const RESET = '\x1b[0m'

export function createPaint(color: boolean): Paint {
  const paint = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}${RESET}` : text)
  return { red: paint(31), green: paint(32), yellow: paint(33), cyan: paint(36), dim: paint(2) }
}
