import { Transform, type TransformCallback, pipeline } from 'node:stream'
import { DamageError } from '../errors.ts'
import type { WrapInTar } from './contract.ts'
import { encodeGnuHeader } from './gnu-header.ts'
import { END_OF_ARCHIVE } from './tar-header.ts'
import { encodeTarHeader, tarPadding } from './tar-writer.ts'
import { formatCount, formatNumber } from '../model/units.ts'

/** See {@link WrapInTar}. */
export const wrapInTar: WrapInTar = (content, { path, size, mode, mtimeMs, dialect }) => {
  const encode = dialect === 'pax' ? encodeTarHeader : encodeGnuHeader
  const header = encode({
    path,
    type: 'file',
    mode,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    size,
    mtimeNs: BigInt(Math.trunc(mtimeMs)) * 1_000_000n,
  })
  let passed = 0
  const wrapper = new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      passed += chunk.length
      done(null, chunk)
    },
    flush(done: TransformCallback) {
      if (passed !== size) {
        done(
          new DamageError(
            'length-differs',
            `The stream has ${formatCount(passed, 'byte')}, its manifest says ${formatNumber(size)}`,
          ),
        )
        return
      }
      this.push(tarPadding(size))
      this.push(END_OF_ARCHIVE)
      done()
    },
  })
  wrapper.push(header)
  // The error reaches the reader through the wrapper, which pipeline destroys with it.
  pipeline(content, wrapper, () => undefined)
  return wrapper
}
