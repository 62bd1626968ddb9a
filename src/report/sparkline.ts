const BARS = '▁▂▃▄▅▆▇█'
/** Where all values differ by less than this part of the largest, their line is flat: noise looks like nothing. */
const FLAT = 0.02

/** Values as a line of bars, one character each, from the smallest to the largest. '' for none. */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values)
  const lowest = Math.min(...values)
  const range = highest - lowest
  if (range <= highest * FLAT) return '▄'.repeat(values.length)
  return values
    .map((value) => BARS[Math.round(((value - lowest) / range) * (BARS.length - 1))] ?? '')
    .join('')
}
