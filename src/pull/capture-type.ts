import { SourceError } from '../errors.ts'
import type { CaptureType, HostConfig, SourceConfig } from '../model/config.ts'
import { kindOf } from '../sources/registry.ts'
import type { SourceSelection } from './select-sources.ts'

/**
 * The selection, captured by this type whatever `capture` says. Sources that have no schema apart from their data are left
 * out, unless they were asked for: then it throws SourceError, as it does when none is left.
 */
export function asType(
  host: Pick<HostConfig, 'name'>,
  { sources, everything }: SourceSelection,
  type: CaptureType | undefined,
  asked: readonly string[] = [],
): SourceSelection {
  if (type === undefined) return { sources, everything }
  if (type === 'full') return { sources: sources.map(asFull), everything }
  const able = sources.filter(({ kind }) => kindOf(kind).capturedAs !== undefined)
  const refused = sources.find((source) => !able.includes(source) && asked.includes(source.name))
  if (refused !== undefined || able.length === 0) {
    const what =
      refused === undefined
        ? 'no source can'
        : `${refused.name} is a ${kindOf(refused.kind).title} source, and that can't`
    throw new SourceError('no-type', `${what} be captured by its ${type} alone`, {
      host: host.name,
      source: refused?.name,
      next: `Pull ${refused === undefined ? 'it' : refused.name} without --type.`,
    })
  }
  return { sources: able.map((source) => capturedAs(source, type)), everything: false }
}

/** The source with all that it has, whatever `capture` says: for what is replaced, or moved. */
export function asFull(source: SourceConfig): SourceConfig {
  return capturedAs(source, 'full')
}

function capturedAs(source: SourceConfig, type: CaptureType): SourceConfig {
  return kindOf(source.kind).capturedAs?.(source, type) ?? source
}
