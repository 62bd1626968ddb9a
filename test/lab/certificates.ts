import { execFile } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of a certificate and its private key, in PEM form; the key is its owner's alone. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Makes a CA and certificates that it has signed, in `folder`. */
export async function makeCa(
  folder: string,
  name: string,
): Promise<Certificate & { sign(name: string): Promise<Certificate> }> {
  const file = (base: string, extension: string): string => join(folder, `${base}.${extension}`)
  const fresh = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const ca = { cert: file(name, 'crt'), key: file(name, 'key') }
  await run('openssl', [...fresh, '-x509', '-subj', `/CN=${name}`, '-keyout', ca.key, '-out', ca.cert])
  return {
    ...ca,
    sign: async (base) => {
      const made = { cert: file(base, 'crt'), key: file(base, 'key') }
      const request = file(base, 'csr')
      await run('openssl', [...fresh, '-subj', `/CN=${base}`, '-keyout', made.key, '-out', request])
      const by = ['-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial']
      await run('openssl', ['x509', '-req', '-in', request, ...by, '-out', made.cert])
      await chmod(made.key, 0o600)
      return made
    },
  }
}
