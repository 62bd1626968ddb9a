import { describe, expect, test } from 'vitest'
import { AofFiles } from '../../../../src/sources/redis/capture/aof-files.ts'
import { parseAofManifest } from '../../../../src/sources/redis/capture/aof-manifest.ts'
import { byte, rdb, str } from './rdb-fixture.ts'

describe('the manifest', () => {
  test('of base, history and increments, with odd names', () => {
    const text = [
      'file appendonly.aof.2.base.rdb seq 2 type b',
      'file appendonly.aof.1.incr.aof seq 1 type h',
      '# a comment',
      'file "my \\"log\\"\\n\\x01.aof.7.incr.aof" seq 7 type i',
      '',
    ].join('\n')
    expect(parseAofManifest(text)).toEqual([
      { file: 'appendonly.aof.2.base.rdb', sequence: 2, type: 'b' },
      { file: 'appendonly.aof.1.incr.aof', sequence: 1, type: 'h' },
      { file: 'my "log"\n\x01.aof.7.incr.aof', sequence: 7, type: 'i' },
    ])
  })

  test.each(['', 'nonsense', 'file x seq y type b', 'file a seq 1 type b\nfile'])('%j is none', (text) => {
    expect(parseAofManifest(text)).toBeUndefined()
  })
})

const base = rdb([byte(254), byte(0), byte(0), str('k'), str('v')], { version: 10 })
const commands = Buffer.from('*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n')

function files(contents: Record<string, Buffer>, step = 1_000): AofFiles {
  const aof = new AofFiles()
  for (const [name, bytes] of Object.entries(contents)) {
    const sink = aof.tap(name, bytes.length, 5n)
    for (let at = 0; at < bytes.length; at += step) sink.write(bytes.subarray(at, at + step))
    sink.end()
  }
  return aof
}

describe('the files', () => {
  const manifest = Buffer.from('file a.base.rdb seq 1 type b\nfile a.incr.aof seq 1 type i\n')

  test.each([1, 3, 1000])('of a multi-part AOF, in pieces of %i bytes', (step) => {
    const aof = files(
      { 'a.base.rdb': base, 'a.incr.aof': commands, 'a.manifest': manifest, 'old.aof': commands },
      step,
    )
    expect(aof.facts('multi-part')).toMatchObject({
      files: 2,
      bytes: base.length + commands.length,
      base: { databases: [{ database: 0, keys: 1, expires: 0 }], bytes: base.length },
      incrementalBytes: commands.length,
    })
  })

  test('a base of commands has no facts of its own', () => {
    const aof = files({ 'a.base.rdb': commands, 'a.incr.aof': commands, 'a.manifest': manifest })
    expect(aof.facts('multi-part')).toEqual({
      layout: 'multi-part',
      files: 2,
      bytes: commands.length * 2,
      incrementalBytes: commands.length * 2,
    })
  })

  test('of an AOF in one piece', () => {
    expect(files({ aof: Buffer.concat([base, commands]) }, 7).facts('single-file')).toMatchObject({
      base: { bytes: base.length },
      incrementalBytes: commands.length,
    })
    expect(files({ aof: Buffer.alloc(0) }).facts('single-file')).toMatchObject({
      bytes: 0,
      incrementalBytes: 0,
    })
  })

  test('that are missing', () => {
    expect(() => files({ 'a.base.rdb': base }).facts('multi-part')).toThrow('its manifest is missing')
    expect(() => files({ 'a.base.rdb': base, 'a.manifest': manifest }).facts('multi-part')).toThrow(
      'names a.incr.aof, which is missing',
    )
    expect(() => files({ 'a.manifest': Buffer.from('?') }).facts('multi-part')).toThrow('can not be read')
    expect(() => files({}).facts('single-file')).toThrow('its file is missing')
  })

  test('a base that is damaged', () => {
    expect(() => files({ 'a.base.rdb': base.subarray(0, -1) })).toThrow('ends too early')
  })
})
