import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { DamageError } from '../errors.ts'
import type { CreateRecordSorter, RecordSorter, SortedRecord } from './contract.ts'
import { explainDisk } from './disk-error.ts'

/**
 * Bytes of keys and values that are kept in memory before they go to the scratch file: about 15,000 files with their
 * stat.
 */
const MEMORY_BYTES = 12 * 1024 * 1024
/** One of so many values is measured, and the others are taken to be as large. */
const MEASURED = 32
const READ_BYTES = 64 * 1024
const ALGORITHM = 'aes-256-ctr'
/** Key length, value length. */
const PREFIX = 8

interface Held<T> {
  readonly key: Buffer
  readonly value: T
}

/** A sorted stretch of the scratch file. */
interface Run {
  readonly start: number
  readonly end: number
  readonly iv: Buffer
}

/** The promises are those of {@link RecordSorter}. */
export const createRecordSorter: CreateRecordSorter = <T>(scratchPath: string) =>
  new ExternalSorter<T>(scratchPath)

class ExternalSorter<T> implements RecordSorter<T> {
  readonly #path: string
  readonly #memory: number
  readonly #key = randomBytes(32)
  readonly #runs: Run[] = []
  #held: Held<T>[] = []
  #heldBytes = 0
  /** What a value takes in memory, as far as the last measured one tells. */
  #valueBytes = 0
  #file: number | undefined
  #written = 0
  count = 0

  constructor(path: string, memory = MEMORY_BYTES) {
    this.#path = path
    this.#memory = memory
  }

  add(key: Buffer, value: T): void {
    // An object takes about twice what its JSON does.
    if (this.count % MEASURED === 0) this.#valueBytes = JSON.stringify(value).length * 2
    this.#held.push({ key: Buffer.from(key), value })
    // An object and a Buffer cost about this much beside their bytes.
    this.#heldBytes += key.length + this.#valueBytes + 200
    this.count += 1
    if (this.#heldBytes >= this.#memory) this.#spill()
  }

  async *sorted(): AsyncGenerator<SortedRecord<T>> {
    this.#sortHeld()
    if (this.#runs.length === 0) yield* this.#held
    else yield* merge([...this.#runs.map((run) => this.#read(run)), held(this.#held)])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = []
    if (this.#file === undefined) return
    closeSync(this.#file)
    this.#file = undefined
    await rm(this.#path, { force: true })
  }

  #sortHeld(): void {
    // Stable: of equal keys the first added stays first.
    this.#held.sort((a, b) => Buffer.compare(a.key, b.key))
  }

  #spill(): void {
    this.#sortHeld()
    const iv = randomBytes(16)
    const cipher = createCipheriv(ALGORITHM, this.#key, iv)
    const start = this.#written
    try {
      this.#file ??= openSync(this.#path, 'wx', 0o600)
      let parts: Buffer[] = []
      let length = 0
      const flush = (file: number): void => {
        const bytes = cipher.update(Buffer.concat(parts))
        for (let at = 0; at < bytes.length;) {
          at += writeSync(file, bytes, at, bytes.length - at, this.#written + at)
        }
        this.#written += bytes.length
        parts = []
        length = 0
      }
      for (const { key, value: record } of this.#held) {
        const value = Buffer.from(JSON.stringify(record))
        const prefix = Buffer.alloc(PREFIX)
        prefix.writeUInt32BE(key.length, 0)
        prefix.writeUInt32BE(value.length, 4)
        parts.push(prefix, key, value)
        length += PREFIX + key.length + value.length
        if (length >= READ_BYTES) flush(this.#file)
      }
      flush(this.#file)
    } catch (error) {
      throw explainDisk(error, this.#path, this.#heldBytes)
    }
    this.#runs.push({ start, end: this.#written, iv })
    this.#held = []
    this.#heldBytes = 0
  }

  async *#read({ start, end, iv }: Run): AsyncGenerator<Held<T>[]> {
    const decipher = createDecipheriv(ALGORITHM, this.#key, iv)
    const stored = createReadStream(this.#path, { start, end: end - 1, highWaterMark: READ_BYTES })
    let rest: Buffer = Buffer.alloc(0)
    for await (const chunk of stored as AsyncIterable<Buffer>) {
      const plain = Buffer.concat([rest, decipher.update(chunk)])
      const batch: Held<T>[] = []
      let at = 0
      while (plain.length - at >= PREFIX) {
        const keyEnd = at + PREFIX + plain.readUInt32BE(at)
        const valueEnd = keyEnd + plain.readUInt32BE(at + 4)
        if (valueEnd > plain.length) break
        batch.push({
          key: plain.subarray(at + PREFIX, keyEnd),
          value: JSON.parse(plain.toString('utf8', keyEnd, valueEnd)) as T,
        })
        at = valueEnd
      }
      rest = plain.subarray(at)
      if (batch.length > 0) yield batch
    }
    if (rest.length > 0) {
      throw new DamageError('scratch-damaged', 'A scratch file was changed or cut while in use', {
        next: 'Run the command again, and check the disk that holds the vault.',
      })
    }
  }
}

async function* held<T>(records: Held<T>[]): AsyncGenerator<Held<T>[]> {
  if (records.length > 0) yield await Promise.resolve(records)
}

/** A run being merged: the batch at hand, and which of it comes next. */
interface Head<T> {
  readonly run: AsyncGenerator<Held<T>[]>
  /** Of two equal keys, the key of the earlier run comes first. */
  readonly number: number
  batch: Held<T>[]
  at: number
}

/** Merges sorted runs. `heads` stays sorted by what comes next, the least last, where it is cheap to take. */
async function* merge<T>(runs: readonly AsyncGenerator<Held<T>[]>[]): AsyncGenerator<Held<T>> {
  const heads: Head<T>[] = []
  try {
    for (const [number, run] of runs.entries()) {
      const next = await run.next()
      if (next.done !== true) insert(heads, { run, number, batch: next.value, at: 0 })
    }
    for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
      const record = head.batch[head.at]
      if (record !== undefined) yield record
      head.at += 1
      if (head.at >= head.batch.length) {
        const next = await head.run.next()
        if (next.done === true) continue
        head.batch = next.value
        head.at = 0
      }
      insert(heads, head)
    }
  } finally {
    await Promise.all(runs.map((run) => run.return(undefined)))
  }
}

function insert<T>(heads: Head<T>[], head: Head<T>): void {
  let low = 0
  let high = heads.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = heads[middle]
    if (other !== undefined && comesBefore(head, other)) low = middle + 1
    else high = middle
  }
  heads.splice(low, 0, head)
}

function comesBefore<T>(a: Head<T>, b: Head<T>): boolean {
  const [left, right] = [a.batch[a.at], b.batch[b.at]]
  const order = left === undefined || right === undefined ? 0 : Buffer.compare(left.key, right.key)
  return order === 0 ? a.number < b.number : order < 0
}
