import { expect, test } from 'vitest'
import { identityPage } from '../../../src/init/identity-page.ts'

const KEY = `-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n${'lQ<&>'.repeat(180)}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n`
const page = (privateKey: string, isLocked = true) =>
  identityPage({ privateKey, fingerprint: 'ABCD', isLocked, now: new Date('2026-01-02T03:04:05Z') })

test('the page has the key as text and as a QR code, and loads nothing', () => {
  const html = page(KEY)
  expect(html).toContain(KEY.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'))
  expect(html).toMatch(/<svg [^>]*viewBox="0 0 \d+ \d+"/)
  expect(html).not.toMatch(/(src|href)=|<script|@import|url\(/)
  expect(html).toContain('2026-01-02')
})

test('other keys have other codes', () => {
  const code = (html: string) => /<path [^>]*>/.exec(html)?.[0]
  expect(code(page(KEY))).not.toBe(code(page(KEY.replace('abcd', 'abce'))))
})

test('whether a passphrase protects it stands on the page', () => {
  expect(page(KEY)).toContain('locked by a passphrase')
  expect(page(KEY, false)).toContain('not locked by a passphrase')
})

test('a key that no code holds is refused', () => {
  expect(() => page('x'.repeat(2954))).toThrow(RangeError)
})
