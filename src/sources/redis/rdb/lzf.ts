/** What the worst case of LZF can blow up: a back reference of 3 bytes stands for at most 264. */
const MAX_EXPANSION = 88

/** LZF data that does not decompress to what it says. */
export class LzfError extends Error {}

/**
 * Decompresses one LZF block (liblzf's lzf_d.c, as Redis stores strings of more than 20 bytes). `length` is what
 * the file says it decompresses to; it is checked against what the input can give before anything is allocated.
 * Throws {@link LzfError}.
 */
export function decompressLzf(input: Uint8Array, length: number): Buffer {
  if (length > input.length * MAX_EXPANSION) throw new LzfError('a string says it is longer than it can be')
  const output = Buffer.allocUnsafe(length)
  let from = 0
  let to = 0
  while (from < input.length) {
    const control = input[from]!
    from += 1
    if (control < 32) {
      const count = control + 1
      if (from + count > input.length || to + count > length) throw new LzfError('a literal run is too long')
      output.set(input.subarray(from, from + count), to)
      from += count
      to += count
      continue
    }
    let count = control >> 5
    if (count === 7) {
      if (from >= input.length) throw new LzfError('it ends inside a back reference')
      count += input[from]!
      from += 1
    }
    if (from >= input.length) throw new LzfError('it ends inside a back reference')
    count += 2
    let reference = to - ((control & 31) << 8) - input[from]! - 1
    from += 1
    if (reference < 0 || to + count > length) throw new LzfError('a back reference points outside')
    // Byte by byte: the two ranges overlap when a short pattern repeats.
    for (; count > 0; count -= 1) {
      output[to] = output[reference]!
      to += 1
      reference += 1
    }
  }
  if (to !== length) throw new LzfError('it decompresses to another length than it says')
  return output
}
