import type { Fault } from '../fault.ts'

export const archive: readonly Fault[] = [
  {
    name: 'tar-trailing',
    what: 'a tar may go on behind its end',
    file: 'src/archive/tar-reader.ts',
    find: `      if (!this.#concatenated || this.#zeroBlocks < 2) throw this.#trailing()`,
    replace: `      if (this.#zeroBlocks > 1_000_000) throw this.#trailing()`,
    tests: ['test/unit/archive/tar-reader.test.ts'],
  },
  {
    name: 'tar-truncated',
    what: 'a tar that is cut is whole',
    file: 'src/archive/tar-reader.ts',
    find: `    throw damageAt('tar-truncated', this.#offset, 'The tar archive is cut short')`,
    replace: `    if (this.#offset < 0) throw damageAt('tar-truncated', this.#offset, 'The tar archive is cut short')`,
    tests: ['test/unit/archive/tar-reader.test.ts'],
  },
  {
    name: 'tar-checksum',
    what: 'a damaged tar header is read',
    file: 'src/archive/tar-reader.ts',
    find: `    verifyChecksum(block, offset)
`,
    replace: `    if (offset < 0) verifyChecksum(block, offset)
`,
    tests: ['test/unit/archive/tar-reader.test.ts'],
  },
  {
    name: 'tar-sparse',
    what: 'a sparse member is misread',
    file: 'src/archive/tar-reader.ts',
    find: `      if (key.startsWith('GNU.sparse.')) throw sparse(offset)`,
    replace: `      if (key.startsWith('GNU.Sparse.')) throw sparse(offset)`,
    tests: ['test/unit/archive/tar-reader.test.ts'],
  },
  {
    name: 'zstd-truncated',
    what: 'a zstd stream that is cut is whole',
    file: 'src/archive/zstd-frames.ts',
    find: `if (this.#part !== 'magic' || this.#have > 0) {`,
    replace: `if (this.#part === 'checksum' && this.#have > 9) {`,
    tests: ['test/unit/archive/compression.test.ts'],
  },
  {
    name: 'zstd-trailing',
    what: 'bytes behind a zstd stream are read over',
    file: 'src/archive/zstd-frames.ts',
    find: `    } else if (this.#offset === 4) {`,
    replace: `    } else if (this.#offset > 4) {
      this.#expect('skip', 1_000_000_000)
    } else if (this.#offset === 4) {`,
    tests: ['test/unit/archive/compression.test.ts'],
  },
  {
    name: 'zstd-no-checksum',
    what: 'a zstd frame without a checksum is taken',
    file: 'src/archive/zstd-frames.ts',
    find: `    if ((descriptor & 0x04) === 0) {`,
    replace: `    if ((descriptor & 0x04) === 1) {`,
    tests: ['test/unit/archive/compression.test.ts'],
  },
  {
    name: 'zstd-empty',
    what: 'nothing at all is a zstd stream',
    file: 'src/archive/zstd-frames.ts',
    find: `    if (this.#dataFrames === 0) throw`,
    replace: `    if (this.#dataFrames < 0) throw`,
    tests: ['test/unit/archive/compression.test.ts'],
  },
  {
    name: 'gzip-checksum',
    what: "gzip's CRC and length are not compared",
    file: 'src/archive/gzip-members.ts',
    find: `if (this.#collected.readUInt32LE(0) !== this.#crc || this.#collected.readUInt32LE(4) !== this.#size) {`,
    replace: `if (this.#members < 0) {`,
    tests: ['test/unit/archive/compression.test.ts'],
  },
  {
    name: 'gzip-trailing',
    what: 'bytes behind a gzip stream are read over',
    file: 'src/archive/gzip-members.ts',
    find: `throw this.#part === 'fixed' && this.#members > 0 ? trailing() : truncated()`,
    replace: `if (this.#members === 0) throw truncated()`,
    tests: ['test/unit/archive/compression.test.ts'],
  },
  {
    name: 'hash-of-files',
    what: "a file's hash is not that of its content",
    file: 'src/archive/read-back.ts',
    find: `this.#only ?? this.#hash?.digest('hex') ?? EMPTY_SHA256`,
    replace: `EMPTY_SHA256`,
    tests: ['test/unit/archive/write-archive.test.ts'],
  },
  {
    name: 'ciphertext-hash',
    what: "the archive's hash leaves out a part",
    file: 'src/model/message-hash.ts',
    find: `    this.#all.update(chunk)`,
    replace: `    if (this.#bytes === 0) this.#all.update(chunk)`,
    tests: ['test/unit/archive/write-archive.test.ts'],
  },
  {
    name: 'member-dot-dot',
    what: 'a member may lie outside the directory',
    file: 'src/archive/member-guard.ts',
    find: `part === '..' || part === '.' || part === ''`,
    replace: `part === '.' || part === ''`,
    tests: ['test/unit/archive/assemble-tree.test.ts', 'test/unit/archive/member-guard.test.ts'],
  },
  {
    name: 'member-absolute',
    what: 'a member may have an absolute name',
    file: 'src/archive/member-guard.ts',
    find: `if (path.length === 0 || path[0] === SLASH)`,
    replace: `if (path.length === 0)`,
    tests: ['test/unit/archive/member-guard.test.ts'],
  },
  {
    name: 'member-through-symlink',
    what: 'a member is written through a symbolic link',
    file: 'src/archive/member-guard.ts',
    find: `    if (this.#symlinks.size > 0) this.#checkParents(name, entry.path)
`,
    replace: ``,
    tests: ['test/unit/archive/member-guard.test.ts'],
  },
  {
    name: 'member-twice',
    what: 'a member may be there twice',
    file: 'src/archive/member-guard.ts',
    find: `    if (this.#seen.get(entry.path) !== 0)
      throw`,
    replace: `    if (this.#seen.get(entry.path) === 7)
      throw`,
    tests: ['test/unit/archive/member-guard.test.ts'],
  },
  {
    name: 'member-hardlink',
    what: 'a hard link may lead out of the archive',
    file: 'src/archive/member-guard.ts',
    find: `    if (this.#seen.get(target) === 0)
      throw`,
    replace: `    if (this.#seen.get(target) === 7)
      throw`,
    tests: ['test/unit/archive/member-guard.test.ts'],
  },
  {
    name: 'member-device',
    what: 'a device node is unpacked',
    file: 'src/archive/member-guard.ts',
    find: `      case 'block-device':
        throw refused('device', entry.path, 'is a device node')`,
    replace: `      case 'block-device':
        return`,
    tests: ['test/unit/archive/member-guard.test.ts'],
  },
  {
    name: 'tail-hash',
    what: "a file's tail is not compared with its hash",
    file: 'src/archive/tails.ts',
    find: `current.hash.digest('hex') !== current.segment.sha256`,
    replace: `current.segment.sha256 === ''`,
    tests: ['test/unit/archive/assemble-tree.test.ts'],
  },
  {
    name: 'beginning-hash',
    what: "a file's beginning is not compared with its hash before its tail is joined",
    file: 'src/archive/assemble-tree.ts',
    find: `if (begun.digest('hex') !== first.sha256) throw`,
    replace: `if (first.sha256 === '') throw`,
    tests: ['test/unit/archive/assemble-tree.test.ts'],
  },
  {
    name: 'archive-lacks',
    what: 'an archive may lack files that the index names',
    file: 'src/archive/assemble-tree.ts',
    find: `    if (wanted.missing > 0) throw`,
    replace: `    if (wanted.missing < 0) throw`,
    tests: ['test/unit/archive/assemble-tree.test.ts'],
  },
  {
    name: 'index-hash',
    what: "the index's own hash is not compared",
    file: 'src/archive/index-file.ts',
    find: `if (json.entries !== this.#entries || json.sha256 !== this.#hash.digest('hex')) {`,
    replace: `if (json.entries !== this.#entries) {`,
    tests: ['test/unit/archive/index-file.test.ts'],
  },
  {
    name: 'index-truncated',
    what: 'an index without its last line is whole',
    file: 'src/archive/index-file.ts',
    find: `    if (this.#state !== 'done') throw damage('index-truncated', 'The index is cut short')
`,
    replace: ``,
    tests: ['test/unit/archive/index-file.test.ts'],
  },
  {
    name: 'index-trailing',
    what: 'an index may go on behind its end',
    file: 'src/archive/index-file.ts',
    find: `    if (this.#state === 'done') throw this.#trailing()
`,
    replace: `    if (this.#line < 0) throw this.#trailing()
`,
    tests: ['test/unit/archive/index-file.test.ts'],
  },
]
