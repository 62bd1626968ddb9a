import type { Manifest, ManifestFile } from '../model/snapshot.ts'
import type { RekeyedFile } from './contract.ts'

/** A file as the ledger says it was from some moment on, with those whom it is encrypted to. */
export interface FileForm extends RekeyedFile {
  readonly recipients: readonly string[]
}

/** The forms that a snapshot's files got since they were made, by name, oldest first. */
export type FileForms = ReadonlyMap<string, readonly FileForm[]>

/** The manifest with each file as it is now: other session-key packets before the same body. */
export function asRekeyed(manifest: Manifest, forms: FileForms): Manifest {
  if (forms.size === 0) return manifest
  const now = <F extends ManifestFile>(file: F): F => {
    const latest = forms.get(file.file)?.at(-1)
    if (latest === undefined) return file
    const { bytes, sha256, offset, recipients } = latest
    return { ...file, bytes, sha256, recipients, body: { ...file.body, offset } }
  }
  return {
    ...manifest,
    sources: manifest.sources.map(({ index, replay, ...source }) => ({
      ...source,
      archives: source.archives.map(now),
      ...(index === undefined ? {} : { index: now(index) }),
      ...(replay === undefined ? {} : { replay: now(replay) }),
    })),
  }
}

/** What a file was before it became what it is now: none for one whose keys were never changed. */
export function earlierForms(
  original: Pick<ManifestFile, 'file' | 'bytes' | 'sha256'>,
  forms: FileForms,
): readonly Pick<ManifestFile, 'bytes' | 'sha256'>[] {
  const later = forms.get(original.file) ?? []
  return [original, ...later].slice(0, -1)
}
