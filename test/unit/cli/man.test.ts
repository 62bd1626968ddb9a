import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { manPages } from '../../../scripts/man.ts'
import { tempDir } from '../../lab/temp.ts'
import { commands } from './typed.ts'

const pages = manPages()

test('every command has its page, with its arguments and flags, and the config file has one', () => {
  for (const [name, command] of commands) {
    const page = pages.get(`relay-backup-${name.split(' ')[0] ?? ''}.1`) ?? ''
    expect(page, name).toContain(`\\fBrelay\\-backup ${name.replaceAll('-', '\\-')}\\fR`)
    for (const { long } of command.options) {
      expect(page, `${name} ${long ?? ''}`).toContain(`\\fB${long?.replaceAll('-', '\\-') ?? ''}\\fR`)
    }
  }
  expect(pages.size).toBe(new Set([...commands.keys()].map((name) => name.split(' ')[0])).size + 2)
  const config = pages.get('relay-backup-hosts.yaml.5')
  for (const key of ['version', 'encryption.recipients', 'retention.within', 'ssh.identityFile', 'sources']) {
    expect(config).toContain(`\\fB${key}\\fR`)
  }
})

test('the pages are good roff, and no line is longer than a terminal', async () => {
  await using temp = await tempDir()
  for (const [name, text] of pages) {
    const path = join(temp.path, name)
    await writeFile(path, text)
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', path], { encoding: 'utf8' })
    expect(lint.stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual(
      [],
    )
    const { stdout } = spawnSync('mandoc', ['-T', 'ascii', '-O', 'width=78', path], { encoding: 'utf8' })
    // Bold is a character, a backspace and the character again.
    const lines = stdout.replace(/.\x08/g, '').split('\n')
    expect(
      lines.filter((line) => line.length > 80),
      name,
    ).toEqual([])
  }
})

test('a manual page shows what our texts hold to the letter', () => {
  expect(pages.get('relay-backup.1')).toContain('.TP\n3\nDone in part.')
  expect(pages.get('relay-backup-find.1')).toContain(`in which * and ? stand for anything: '*.log'`)
  expect(pages.get('relay-backup-restore.1')).toContain(
    'One of \\fBreplace\\fR, \\fBmerge\\fR; default \\fBreplace\\fR.',
  )
})

test('package.json names every page, so that npm installs them', () => {
  const { man } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
    man: string[]
  }
  expect(man.sort()).toEqual([...pages.keys()].map((name) => `dist/man/${name}`).sort())
})
