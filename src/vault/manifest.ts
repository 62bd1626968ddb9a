import { createHash } from 'node:crypto'
import { z } from 'zod'
import { DamageError } from '../errors.ts'
import { SNAPSHOT_ID_PATTERN } from '../model/names.ts'
import { sourceFiles, VAULT_FORMAT, type Manifest, type ManifestFile } from '../model/snapshot.ts'
import { insistOnFormat } from './format.ts'
import { FILE_NAME_PATTERN, MANIFEST_FILE, SUMS_FILE } from './paths.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.number().int().nonnegative()
/** Names a file inside the snapshot's directory; it is used as a path, so nothing else may pass. */
const fileName = z
  .string()
  .regex(FILE_NAME_PATTERN)
  .refine((name) => name !== MANIFEST_FILE && name !== SUMS_FILE)
const snapshotId = z.string().regex(SNAPSHOT_ID_PATTERN)

const message = {
  file: fileName,
  bytes: count,
  sha256,
  body: z.looseObject({ offset: count, bytes: count, sha256 }),
  recipients: z.array(z.string()),
}

const archive = z.looseObject({
  ...message,
  part: z.string(),
  format: z.enum(['tar', 'stream']),
  content: z.enum(['all', 'schema', 'data']),
  plainBytes: count,
  compression: z.enum(['zstd', 'gzip', 'none']),
})

const ownFile = z.looseObject(message)

const source = z.looseObject({
  name: z.string().min(1),
  // A kind (and its facts) that a later version added passes through: listing and verifying need not know it.
  kind: z.string().min(1),
  mode: z.enum(['full', 'incremental']),
  parents: z.array(snapshotId),
  archives: z.array(archive),
  index: ownFile.optional(),
  replay: ownFile.optional(),
  entries: count,
  facts: z.looseObject({ kind: z.string() }),
  warnings: z.array(z.looseObject({ code: z.string(), count })),
})

const manifest = z.looseObject({
  format: z.literal(VAULT_FORMAT),
  id: snapshotId,
  host: z.string().min(1),
  purpose: z.enum(['pull', 'safety', 'cutover']),
  selection: z.array(z.string()),
  complete: z.boolean(),
  createdAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  tool: z.looseObject({ name: z.string(), version: z.string() }),
  previous: sha256.nullable(),
  schedule: z.string().optional(),
  server: z.looseObject({ os: z.string(), arch: z.string(), versions: z.record(z.string(), z.string()) }),
  sources: z.array(source),
})

/**
 * Reads manifest.json. Fields this version does not know are kept. Throws VaultError for another format and
 * DamageError for anything that is not a manifest.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch (cause) {
    throw new DamageError('manifest-damaged', 'The manifest is not JSON', { cause })
  }
  insistOnFormat(json, 'The manifest')
  return checkManifest(json)
}

/** The same checks for a manifest that is about to be written. */
export function checkManifest(json: unknown): Manifest {
  const result = manifest.safeParse(json)
  if (!result.success) {
    throw new DamageError('manifest-damaged', `The manifest is not valid: ${firstIssue(result.error)}`)
  }
  // The schema is wider than the type only in the kinds that a later version may add.
  return result.data as unknown as Manifest
}

/** The bytes that are stored; their hash is what ledger and successors refer to. */
export function serializeManifest(value: Manifest): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`, 'utf8')
}

export function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Every archive, index and script of a snapshot. */
export function manifestFiles(value: Manifest): ManifestFile[] {
  return value.sources.flatMap(sourceFiles)
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  return issue === undefined ? 'unknown' : `${issue.path.join('.')}: ${issue.message}`
}
