import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { Transform } from 'node:stream'
import { currentHeader, Tag } from './packets.ts'
import { PartialBody } from './partial-body.ts'

/** Type and length of the modification detection code, a SHA-1. */
const MDC_HEADER = Buffer.from([0xd3, 20])
const MARK = 256 * 1024

/**
 * Plain bytes in, an OpenPGP message out: `head` (the packets that carry the session key), then one
 * integrity-protected packet of version 1 around one literal packet, without compression (RFC 9580 sections
 * 5.9 and 5.13.1). Why not openpgp.js: docs/decisions/0003-openpgp-body-by-node-crypto.md.
 */
export function encryptBody(head: Uint8Array, sessionKey: Uint8Array): Transform {
  const cipher = createCipheriv('aes-256-cfb', sessionKey, Buffer.alloc(16))
  const digest = createHash('sha1')
  const message = new Transform({
    readableHighWaterMark: MARK,
    writableHighWaterMark: MARK,
    construct(done) {
      message.push(head)
      message.push(currentHeader(Tag.seipd))
      sealed.write(Buffer.from([1]))
      // 16 random bytes, of which the last two are repeated: they stand for the initialisation vector of CFB.
      const prefix = randomBytes(16)
      seal(Buffer.concat([prefix, prefix.subarray(14)]))
      seal(currentHeader(Tag.literal))
      // Binary, no file name, no date.
      literal.write(Buffer.from([0x62, 0, 0, 0, 0, 0]))
      done()
    },
    transform(chunk: Buffer, _encoding, done) {
      literal.write(chunk)
      done()
    },
    flush(done) {
      literal.end()
      digest.update(MDC_HEADER)
      sealed.write(cipher.update(Buffer.concat([MDC_HEADER, digest.digest()])))
      sealed.end()
      done()
    },
  })
  const sealed = new PartialBody((bytes) => message.push(bytes), { reuse: false })
  const seal = (bytes: Buffer) => {
    digest.update(bytes)
    sealed.write(cipher.update(bytes))
  }
  const literal = new PartialBody(seal, { reuse: true })
  return message
}
