import { mkdir, open, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { incompressible, numbers } from './random.ts'
import { logLines } from './text.ts'

interface PlannedFile {
  readonly path: string
  readonly bytes: number
  readonly kind: 'text' | 'half' | 'random'
}

// Long ago, so that no tool takes a file for one that is being written.
const MTIME = new Date('2025-01-01T00:00:00Z')

/**
 * Data set (a) of docs/design/numbers.md: at scale 1 about 400 MB in 12,000 files, most of them small, most bytes in
 * few. Half of it is text, a fifth compresses by half, the rest not at all. The same tree each time.
 */
export async function writeMixedTree(folder: string, scale: number): Promise<void> {
  for (const [index, file] of planMixedTree(scale).entries()) {
    await writeOld(join(folder, file.path), content(file, index))
  }
}

function planMixedTree(scale: number): PlannedFile[] {
  const next = numbers(20_251_120)
  const files: PlannedFile[] = []
  const add = (count: number, smallest: number, spread: number, folders: number) => {
    for (let made = 0; made < Math.max(1, Math.round(count * scale)); made += 1) {
      const kind = (
        ['text', 'half', 'text', 'random', 'text', 'random', 'text', 'half', 'text', 'random'] as const
      )[next(10)]
      const folder = next(folders).toString().padStart(3, '0')
      files.push({
        path: `${kind ?? 'text'}/${folder}/${files.length}.${kind === 'text' ? 'log' : 'bin'}`,
        bytes: smallest + next(spread),
        kind: kind ?? 'text',
      })
    }
  }
  add(11_500, 200, 16_000, 120)
  add(480, 100_000, 700_000, 40)
  add(20, 3_000_000, 8_000_000, 4)
  return files
}

function content({ bytes, kind }: PlannedFile, index: number): Buffer {
  if (kind === 'text') return logLines(bytes, index)
  if (kind === 'random') return incompressible(bytes, String(index))
  // Four random bits a byte.
  return incompressible(bytes, String(index)).map((byte) => 48 + (byte & 15)) as Buffer
}

/** One file of the given size, half text and half incompressible, written in pieces. */
export async function writeLargeFile(path: string, bytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await using file = await open(path, 'w')
  const half = 32 * 1024 * 1024
  const piece = Buffer.concat([logLines(half, 1), incompressible(half, 'large')])
  for (let left = bytes; left > 0; left -= piece.length) {
    await file.write(piece, 0, Math.min(left, piece.length))
  }
}

/** A log of the given size, no piece of it twice, written in pieces. */
export async function writeLog(path: string, bytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await using file = await open(path, 'w')
  const piece = 16 * 1024 * 1024
  for (let done = 0; done < bytes; done += piece) {
    await file.write(logLines(Math.min(piece, bytes - done), done + 1))
  }
}

/** Writes a file, with the folders above it, and dates it long ago. */
export async function writeOld(path: string, bytes: Buffer | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  await utimes(path, MTIME, MTIME)
}
