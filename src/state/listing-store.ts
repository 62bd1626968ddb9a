import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { RelayError } from '../errors.ts'
import { diskFullMessage, freeSpace, isDiskFull } from '../model/disk-full.ts'
import type { ListingDraft, ListingHeader, ListingRecord, ListingStore, PendingListing } from './contract.ts'
import { stateDirectory } from './directory.ts'
import { RecordsWriter, readRecords } from './listing-file.ts'
import type { RecordsProof } from './listing-file.ts'

/** The head of a listing, JSON: what it is bound to, and where its records are. */
interface Head extends ListingHeader, RecordsProof {
  /** File name beside the head. */
  readonly file: string
}

const RECORDS = '.records.zst'

/** `$XDG_STATE_HOME/relay-backup/listings`, where the listings of all vaults are. */
export function listingsDirectory(env: NodeJS.ProcessEnv): string {
  return join(stateDirectory(env), 'listings')
}

/**
 * Listings as files of mode 0600: `directory/<vault>/<host>/<source>.json`, and the records beside it. One process
 * writes a host's at a time: it holds the vault's lock of that host. Nothing is fsynced: a listing that a crash
 * damaged is found out by its hash, and costs a full pull.
 */
export function openListingStore(directory: string): ListingStore {
  const headOf = (vault: string, host: string, source: string): string =>
    join(directory, encodeURIComponent(vault), encodeURIComponent(host), `${encodeURIComponent(source)}.json`)
  return {
    open: async (vault, host, source) => {
      const path = headOf(vault, host, source)
      const head = await readHead(path)
      if (head?.vault !== vault || head.host !== host || head.source !== source) return undefined
      return { header: head, records: () => readRecords(join(dirname(path), head.file), head) }
    },
    begin: async (draft) => {
      const path = headOf(draft.vault, draft.host, draft.source)
      await onDisk(path, () => mkdir(dirname(path), { recursive: true, mode: 0o700 }))
      return new FilePendingListing(path, draft)
    },
    remove: async (vault, host, source) => {
      const path = headOf(vault, host, source)
      await rm(path, { force: true })
      await sweep(path, undefined)
    },
  }
}

class FilePendingListing implements PendingListing {
  readonly #path: string
  readonly #draft: ListingDraft
  readonly #records: RecordsWriter
  #committed = false

  constructor(path: string, draft: ListingDraft) {
    this.#path = path
    this.#draft = draft
    this.#records = new RecordsWriter(`${path}.`, RECORDS)
  }

  add(record: ListingRecord): Promise<void> | undefined {
    const added = this.#records.add(record)
    return added && onDisk(this.#path, () => added)
  }

  commit(
    manifestHash: string,
    chain: readonly string[],
    looks: NonNullable<ListingHeader['looks']> = {},
  ): Promise<void> {
    return onDisk(this.#path, () => this.#commit(manifestHash, chain, looks))
  }

  async #commit(
    manifestHash: string,
    chain: readonly string[],
    looks: NonNullable<ListingHeader['looks']>,
  ): Promise<void> {
    const proof = await this.#records.end()
    const file = basename(this.#records.path)
    const head: Head = { format: 1, ...this.#draft, manifestHash, chain, looks, ...proof, file }
    const temporary = `${this.#records.path}.tmp`
    await writeFile(temporary, `${JSON.stringify(head)}\n`, { mode: 0o600, flag: 'wx' })
    await rename(temporary, this.#path)
    this.#committed = true
    await sweep(this.#path, file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#committed) return
    await this.#records.abort()
    await rm(this.#records.path, { force: true })
    await rm(`${this.#records.path}.tmp`, { force: true })
  }
}

/** Runs a step. When the disk is full, the error says which disk. */
async function onDisk<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (!(error instanceof Error) || !isDiskFull(error)) throw error
    const free = freeSpace(path)
    // The next listing is about as long as the last.
    const last = await lastBytes(path)
    const missing = last !== undefined && free !== undefined && last > free ? last - free : undefined
    const place = { path, what: 'the state directory', free, missing }
    throw new RelayError('disk-full', diskFullMessage(place), {
      stderr: error.message,
      next: 'Free some space there, or set XDG_STATE_HOME to a directory on a larger disk.',
      cause: error,
    })
  }
}

/** Of the listing that is there. */
async function lastBytes(path: string): Promise<number | undefined> {
  const head = await readHead(path)
  if (head === undefined) return undefined
  const records = await stat(join(dirname(path), head.file)).catch(() => undefined)
  return records?.size
}

/** Undefined for a file that is no listing: it costs one full pull and no more. */
async function readHead(path: string): Promise<Head | undefined> {
  try {
    const head = JSON.parse(await readFile(path, 'utf8')) as Partial<Head> | null
    const valid =
      head?.format === 1 &&
      typeof head.file === 'string' &&
      basename(head.file) === head.file &&
      typeof head.records === 'number' &&
      typeof head.checkedAt === 'string' &&
      Array.isArray(head.chain) &&
      (head.looks === undefined || (typeof head.looks === 'object' && head.looks !== null))
    return valid ? (head as Head) : undefined
  } catch {
    return undefined
  }
}

/** Removes what earlier listings and killed runs left beside a head, but `keep`. */
async function sweep(path: string, keep: string | undefined): Promise<void> {
  const directory = dirname(path)
  const prefix = `${basename(path)}.`
  // What is left over does no harm.
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    if (name.startsWith(prefix) && name !== keep) await rm(join(directory, name), { force: true })
  }
}
