import type { CompressionChoice } from '../model/config.ts'
import type { Compression } from '../model/snapshot.ts'
import type { HostProbe } from '../remote/contract.ts'

/** How a stream is compressed: on the wire by the server, and as it is stored. Either equal, or `wire` is `none`. */
export interface ChosenCompression {
  readonly wire: Compression
  readonly store: Compression
  /** For whichever side compresses; absent when nobody does. */
  readonly level?: number
}

/** zstd's own default: beyond it the server's processor pays more than the wire gains. */
const AUTO_LEVEL = 3

/**
 * Decides who compresses, and how. The rule: the server compresses when it has the tool that the config asks
 * for (`auto` asks for zstd); else the stream travels plain and is compressed here. `auto` never falls back to
 * gzip on the server: measured on a mixed tree it takes six times the processor time of zstd for a larger
 * result, on the machine that must stay responsive; who has a slow link and no zstd there asks for `gzip`.
 */
export function chooseCompression(choice: CompressionChoice, probe: HostProbe): ChosenCompression {
  const { zstd, gzip, pigz } = probe.versions
  switch (choice.kind) {
    case 'none':
      return { wire: 'none', store: 'none' }
    case 'auto':
      return { wire: zstd === undefined ? 'none' : 'zstd', store: 'zstd', level: AUTO_LEVEL }
    case 'zstd':
      return { wire: zstd === undefined ? 'none' : 'zstd', store: 'zstd', level: choice.level }
    case 'gzip':
      return {
        wire: gzip === undefined && pigz === undefined ? 'none' : 'gzip',
        store: 'gzip',
        level: choice.level,
      }
  }
}

/**
 * Arguments of `compress` in `remote/scripts/lib/pipeline.sh`: tool, level, threads. zstd gets a second thread only
 * where the server has four processors or more: the pull must stay a guest there.
 */
export function compressorArgs(chosen: ChosenCompression, probe: HostProbe): readonly string[] {
  const level = String(chosen.level ?? AUTO_LEVEL)
  switch (chosen.wire) {
    case 'none':
      return ['none', '0', '1']
    case 'zstd':
      return ['zstd', level, probe.cpus >= 4 ? '2' : '1']
    case 'gzip':
      return [probe.versions.pigz === undefined ? 'gzip' : 'pigz', level, probe.cpus >= 4 ? '2' : '1']
  }
}
