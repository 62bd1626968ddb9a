import { describe, expect, it } from 'vitest'
import type { HostProbe } from '../../../src/remote/contract.ts'
import { chooseCompression, compressorArgs } from '../../../src/sources/compression-choice.ts'

function probe(versions: HostProbe['versions'], cpus = 2): HostProbe {
  return {
    access: 'shell',
    os: 'Linux',
    kernel: '6.1',
    arch: 'x86_64',
    uid: 0,
    user: 'root',
    home: '/root',
    cpus,
    deployment: '/srv/app',
    deploymentWritable: true,
    freeBytes: undefined,
    existing: new Set(),
    tar: 'gnu',
    versions,
    findPrintf: true,
    openJournals: [],
    quiesced: [],
    groups: [],
  }
}

describe('chooseCompression', () => {
  const all = probe({ zstd: '1.5.4', gzip: '1.12' })
  const bare = probe({})

  it('lets the server compress with zstd when it has it', () => {
    expect(chooseCompression({ kind: 'auto' }, all)).toEqual({ wire: 'zstd', store: 'zstd', level: 3 })
    expect(chooseCompression({ kind: 'zstd', level: 9 }, all)).toEqual({
      wire: 'zstd',
      store: 'zstd',
      level: 9,
    })
  })

  it('compresses here when the server has no zstd, even if it has gzip', () => {
    const gzipOnly = probe({ gzip: '1.12' })
    expect(chooseCompression({ kind: 'auto' }, gzipOnly)).toEqual({ wire: 'none', store: 'zstd', level: 3 })
    expect(chooseCompression({ kind: 'zstd', level: 19 }, gzipOnly)).toEqual({
      wire: 'none',
      store: 'zstd',
      level: 19,
    })
  })

  it('follows an explicit gzip, there or here', () => {
    const gzip = { kind: 'gzip', level: 6 } as const
    expect(chooseCompression(gzip, all)).toEqual({ wire: 'gzip', store: 'gzip', level: 6 })
    expect(chooseCompression(gzip, probe({ pigz: '2.6' }))).toEqual({ wire: 'gzip', store: 'gzip', level: 6 })
    expect(chooseCompression(gzip, bare)).toEqual({ wire: 'none', store: 'gzip', level: 6 })
  })

  it('leaves the stream alone when told so', () => {
    expect(chooseCompression({ kind: 'none' }, all)).toEqual({ wire: 'none', store: 'none' })
  })
})

describe('compressorArgs', () => {
  it('uses a second thread only on servers with four processors or more', () => {
    const chosen = { wire: 'zstd', store: 'zstd', level: 3 } as const
    expect(compressorArgs(chosen, probe({}, 3))).toEqual(['zstd', '3', '1'])
    expect(compressorArgs(chosen, probe({}, 64))).toEqual(['zstd', '3', '2'])
  })

  it('prefers pigz for gzip', () => {
    const chosen = { wire: 'gzip', store: 'gzip', level: 6 } as const
    expect(compressorArgs(chosen, probe({ gzip: '1', pigz: '2' }))).toEqual(['pigz', '6', '1'])
    expect(compressorArgs(chosen, probe({ gzip: '1' }))).toEqual(['gzip', '6', '1'])
    expect(compressorArgs({ wire: 'none', store: 'zstd', level: 3 }, probe({}))).toEqual(['none', '0', '1'])
  })
})
