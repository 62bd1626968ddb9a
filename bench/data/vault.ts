import { link, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { snapshotId } from '../../src/model/names.ts'
import { VAULT_FORMAT, type Manifest } from '../../src/model/snapshot.ts'
import { hashOf, manifestFiles, serializeManifest } from '../../src/vault/manifest.ts'
import { openVault } from '../../src/vault/open-vault.ts'
import { formatSums } from '../../src/vault/sums.ts'
import { incompressible } from './random.ts'

const HOUR = 3_600_000

/**
 * A vault with this many snapshots of the host `bench`, one an hour, each of four small archives with their indexes.
 * All snapshots share the same files by hard links; what is read of a vault is its manifests and its ledger.
 */
export async function writeVault(path: string, snapshots: number): Promise<void> {
  await openVault(path)
  const host = join(path, 'bench')
  await mkdir(host, { mode: 0o700 })
  const bytes = incompressible(500, 'archive')
  let content = ''
  const ledger: string[] = []
  let previous: string | null = null
  const first = Date.UTC(2024, 0, 1)
  for (let made = 0; made < snapshots; made += 1) {
    // ext4 allows 65,000 links to a file.
    if (made % 5000 === 0) {
      content = join(path, `.content-${made}`)
      await writeFile(content, bytes, { mode: 0o600 })
    }
    const manifest = manifestAt(new Date(first + made * HOUR), previous, bytes)
    const folder = join(host, manifest.id)
    await mkdir(folder, { mode: 0o700 })
    const stored = serializeManifest(manifest)
    previous = hashOf(stored)
    await Promise.all([
      writeFile(join(folder, 'manifest.json'), stored, { mode: 0o600 }),
      writeFile(join(folder, 'SHA256SUMS'), formatSums(manifestFiles(manifest), previous), { mode: 0o600 }),
      ...manifestFiles(manifest).map(({ file }) => link(content, join(folder, file))),
    ])
    const before = ledger.at(-1)
    ledger.push(
      JSON.stringify({
        format: VAULT_FORMAT,
        at: manifest.finishedAt,
        event: 'made',
        snapshot: manifest.id,
        manifest: previous,
        purpose: 'pull',
        complete: true,
        previous: before === undefined ? null : hashOf(before),
      }),
    )
  }
  await writeFile(join(host, 'ledger.jsonl'), ledger.map((line) => `${line}\n`).join(''), { mode: 0o600 })
}

function manifestAt(at: Date, previous: string | null, bytes: Buffer): Manifest {
  const body = { offset: 0, bytes: bytes.length, sha256: hashOf(bytes) }
  const stored = { bytes: bytes.length, sha256: hashOf(bytes), body, recipients: ['0'.repeat(40)] }
  const names = ['redis_data', 'logs', 'data', 'config']
  return {
    format: VAULT_FORMAT,
    id: snapshotId(at),
    host: 'bench',
    purpose: 'pull',
    selection: names,
    complete: true,
    createdAt: at.toISOString(),
    finishedAt: new Date(at.getTime() + 20_000).toISOString(),
    tool: { name: 'relay-backup', version: 'bench' },
    previous,
    server: { os: 'Linux', arch: 'x86_64', versions: { tar: '1.34', zstd: '1.5.4' } },
    sources: names.map((name) => ({
      name,
      kind: 'files',
      mode: 'full',
      parents: [],
      archives: [
        {
          ...stored,
          part: '',
          format: 'tar',
          content: 'all',
          file: `${name}.tar.zst.gpg`,
          plainBytes: 10_240,
          compression: 'zstd',
        },
      ],
      index: { file: `${name}.index.jsonl.zst.gpg`, ...stored },
      entries: 3,
      facts: { kind: 'files', files: 3, directories: 0, links: 0, others: 0, bytes: 4000 },
      warnings: [],
    })),
  }
}
