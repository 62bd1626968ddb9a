import type { CommanderError } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { commands } from './typed.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** What a command line prints before it ends, and how it ends. */
async function typed(...words: string[]): Promise<{ out: string; message: string; exitCode: number }> {
  let out = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text)
    return true
  })
  const thrown: unknown = await createProgram('1.2.3', () => Promise.reject(new Error('the command ran')))
    .parseAsync(words, { from: 'user' })
    .catch((error: unknown) => error)
  vi.restoreAllMocks()
  const { message, exitCode } = thrown as CommanderError
  return { out, message, exitCode }
}

test.each([...commands.keys()])('%s has -h, --help and -V, and help knows it', async (name) => {
  const words = name.split(' ')
  const help = await typed('help', ...words)
  expect(help).toMatchObject({ exitCode: 0 })
  expect(help.out).toContain(`Usage: relay-backup ${name} `)
  expect(help.out).toContain('--config <file>')
  for (const flag of ['-h', '--help']) expect(await typed(...words, flag)).toMatchObject({ out: help.out })
  expect(await typed(...words, '-V')).toMatchObject({ out: '1.2.3\n', exitCode: 0 })
  // At the 80 columns that commander takes without a terminal.
  expect(help.out.split('\n').filter((line) => line.length > 80)).toEqual([])
})

test('help alone is --help, and has the exit codes', async () => {
  const { out, exitCode } = await typed('help')
  expect(exitCode).toBe(0)
  expect(out).toBe((await typed('--help')).out)
  expect(out).toContain('  3    done in part\n')
  expect(out.split('\n').filter((line) => line.length > 80)).toEqual([])
})

test('help of a group lists its commands', async () => {
  expect((await typed('help', 'key')).out).toContain('generate ')
})

test('help of a command that is none is wrong usage, with the nearest one', async () => {
  expect(await typed('help', 'key', 'genrate')).toMatchObject({
    out: '',
    message: "unknown command 'genrate'\n(Did you mean generate?)",
    exitCode: 1,
  })
})
