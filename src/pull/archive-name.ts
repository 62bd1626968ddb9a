import type { ArchiveFormat, Compression } from '../model/snapshot.ts'
import { encodeFileName } from '../model/names.ts'

const COMPRESSION_EXTENSION: Record<Compression, string> = { zstd: '.zst', gzip: '.gz', none: '' }

/** `logs.tar.zst.gpg`, `logs.reread.tar.zst.gpg`, `shop.agentchat.sql.zst.gpg` (docs/design/vault.md). */
export function archiveFileName(
  source: string,
  archive: { readonly part: string; readonly format: ArchiveFormat; readonly extension?: string | undefined },
  compression: Compression,
): string {
  const part = archive.part === '' ? '' : `.${encodeFileName(archive.part)}`
  const extension = archive.format === 'tar' ? 'tar' : (archive.extension ?? 'bin')
  return `${source}${part}.${extension}${COMPRESSION_EXTENSION[compression]}.gpg`
}

/** `logs.index.jsonl.zst.gpg` */
export function indexFileName(source: string): string {
  return `${source}.index.jsonl.zst.gpg`
}

/** `logs.replay.sh.gpg` */
export function replayFileName(source: string): string {
  return `${source}.replay.sh.gpg`
}
