import type { Client } from 'ssh2'
import { parseHostCertificate } from './host-certificate.ts'
import { sshString } from './ssh-string.ts'

/** What ssh2 has inside and does not declare. */
interface Protocol {
  _offer: Offer
  _kex: Exchange | undefined
}
interface Named {
  readonly array: readonly string[]
}
interface Directed {
  readonly cipher: Named
  readonly mac: Named
  readonly compress: Named
  readonly lang: Named
}
interface Offer {
  readonly lists: {
    readonly kex: Named
    readonly serverHostKey: Named
    readonly cs: Directed
    readonly sc: Directed
  }
}
interface Exchange {
  readonly negotiated: { serverHostKey: string }
  _hostKey: Buffer
  parse(payload: Buffer): unknown
  computeSecret(public_: Buffer): unknown
  getPublicKey(): unknown
}

const SUFFIX = '-cert-v01@openssh.com'
/** The messages of a key exchange that show the server's key: KEXDH_REPLY, KEX_ECDH_REPLY, KEX_DH_GEX_REPLY. */
const REPLIES = [31, 33]

// Best first, as for plain keys.
const ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
].map((name) => `${name}${SUFFIX}`)

/**
 * Has a client ask for the server's certificate first. ssh2 knows none: it is given the key that the certificate is for,
 * and hashes the certificate in its place (PROTOCOL.certkeys of OpenSSH). To be called after `connect`.
 *
 * @param shown called with the certificate before the key is verified
 */
export function askForHostCertificate(client: Client, shown: (certificate: Buffer) => void): void {
  const protocol = (client as unknown as { readonly _protocol: Protocol })._protocol
  const { kex, serverHostKey, cs, sc } = protocol._offer.lists
  const directed = ({ cipher, mac, compress, lang }: Directed) => ({
    cipher: cipher.array,
    mac: mac.array,
    compress: compress.array,
    lang: lang.array,
  })
  const OfferClass = protocol._offer.constructor as new (lists: unknown) => Offer
  protocol._offer = new OfferClass({
    kex: kex.array,
    serverHostKey: [...ALGORITHMS, ...serverHostKey.array],
    cs: directed(cs),
    sc: directed(sc),
  })
  let current = protocol._kex
  Object.defineProperty(protocol, '_kex', {
    get: () => current,
    set: (exchange: Exchange | undefined) => {
      current = exchange
      if (exchange?.negotiated.serverHostKey.endsWith(SUFFIX) === true) acceptCertificate(exchange, shown)
    },
  })
}

function acceptCertificate(exchange: Exchange, shown: (certificate: Buffer) => void): void {
  const { negotiated } = exchange
  negotiated.serverHostKey = negotiated.serverHostKey.slice(0, -SUFFIX.length)
  let certificate: { readonly bytes: Buffer; readonly key: Buffer } | undefined
  const { parse, computeSecret, getPublicKey } = exchange
  exchange.parse = (payload) => {
    if (!REPLIES.includes(payload[0] ?? 0)) return parse.call(exchange, payload)
    const end = payload.length < 5 ? Infinity : 5 + payload.readUInt32BE(1)
    const bytes = end > payload.length ? undefined : Buffer.from(payload.subarray(5, end))
    const parsed = bytes === undefined ? undefined : parseHostCertificate(bytes)
    if (bytes === undefined || parsed === undefined) return parse.call(exchange, payload)
    certificate = { bytes, key: parsed.key }
    shown(bytes)
    const rest = payload.subarray(end)
    return parse.call(exchange, Buffer.concat([payload.subarray(0, 1), sshString(parsed.key), rest]))
  }
  // The secret is computed, then the certificate is hashed, then our public key is asked for, then the signature is
  // verified by the key. In any other order no signature would fit.
  exchange.computeSecret = (dh) => {
    if (certificate !== undefined) exchange._hostKey = certificate.bytes
    return computeSecret.call(exchange, dh)
  }
  exchange.getPublicKey = () => {
    if (certificate !== undefined) exchange._hostKey = certificate.key
    return getPublicKey.call(exchange)
  }
}
