import { createHash } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ProofAlongside } from '../../src/restore/proof.ts'
import { MACHINES, quiet, RestoreLab } from './restore-scripts-lab.ts'

describe.each(MACHINES)('the proof of what is unpacked on a server with %s', (machine) => {
  it('proves files alongside the unpacking, in any order', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const directory = join(lab.root, 'files')
    await mkdir(directory)
    const files = Array.from({ length: 2100 }, (_, before) => ({
      name: Buffer.from(`file-${before}`),
      size: 100,
      before,
    }))
    const sha256 = (name: Buffer) => createHash('sha256').update(name).digest('hex')
    const proofOf = async (spoil: (name: string) => string | undefined) => {
      const proof = new ProofAlongside(host, { directory, privilege: undefined, signal: quiet() })
      const [last, ...others] = files.toReversed().map(({ name }) => ({ name, sha256: sha256(name) }))
      for (const { name, sha256: hash } of others) proof.expect(name, hash)
      const unpack = async (_signal: AbortSignal, onMembers: (count: number) => void) => {
        for (const file of files) {
          proof.add(file)
          const written = spoil(String(file.name))
          if (written === undefined) await rm(join(directory, String(file.name)), { force: true })
          else await writeFile(join(directory, String(file.name)), written)
          onMembers(file.before + 1)
        }
      }
      return await proof.during(unpack, () => [last!])
    }
    expect(await proofOf((name) => name)).toBe(true)
    expect(await proofOf((name) => (name === 'file-17' ? 'other' : name))).toBe(false)
    expect(await proofOf((name) => (name === 'file-2099' ? undefined : name))).toBe(false)
    // Two files that hold each other's content are not what they were.
    const exchanged = new Map([
      ['file-1', 'file-2'],
      ['file-2', 'file-1'],
    ])
    expect(await proofOf((name) => exchanged.get(name) ?? name)).toBe(false)
  })

  it('ends the proof with its signal, and with what it is alongside of', async () => {
    await using lab = await RestoreLab.make(machine)
    await using host = lab.host()
    const stop = new AbortController()
    const place = { directory: lab.root, privilege: undefined, signal: stop.signal }
    const fails = new ProofAlongside(host, place).during(
      () => Promise.reject(new Error('cut')),
      () => [],
    )
    await expect(fails).rejects.toThrow('cut')
    const stopped = new ProofAlongside(host, place).during(
      () => Promise.resolve(stop.abort(new Error('stopped'))),
      () => [],
    )
    await expect(stopped).rejects.toThrow('stopped')
  })
})
