import qrcode from 'qrcode-generator'

/** What stands on the page. */
export interface PageContent {
  /** Armored. */
  readonly privateKey: string
  readonly fingerprint: string
  readonly isLocked: boolean
  readonly now: Date
}

/**
 * A page of HTML to be printed: a private key as text and as a QR code, and how backups are opened with it. It loads
 * nothing from anywhere. Throws RangeError for a key that is too long for one QR code (2,953 bytes: an RSA key).
 */
export function identityPage({ privateKey, fingerprint, isLocked, now }: PageContent): string {
  const passphrase = isLocked
    ? 'It is locked by a passphrase, which is <b>not</b> on this page: keep that somewhere else.'
    : '<b>It is not locked by a passphrase: whoever holds this page can read every backup.</b>'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>relay-backup: identity ${escape(fingerprint)}</title>
<style>
body { font: 11pt/1.4 sans-serif; max-width: 18cm; margin: 1cm auto; color: #000; background: #fff }
pre { font: 9pt/1.25 monospace; white-space: pre-wrap; overflow-wrap: anywhere }
svg { width: 11cm; height: 11cm; display: block }
</style>
</head>
<body>
<h1>The key to your backups</h1>
<p>This is the private key (identity) that opens your backups. Without it none can be opened.
${passphrase}</p>
<p>Fingerprint: <code>${escape(fingerprint)}</code><br>Made: ${now.toISOString().slice(0, 10)}</p>
<p>Print this page, keep the paper where the computer is not, and delete the file.</p>
${qrSvg(privateKey)}
<p>The QR code holds the same text as below. Save it to a file <code>backup.key.asc</code>; then, on any machine:</p>
<pre>gpg --import backup.key.asc
gpg -d NAME.tar.zst.gpg | zstd -d | tar -x</pre>
<pre>${escape(privateKey)}</pre>
</body>
</html>
`
}

function qrSvg(text: string): string {
  // Version 40, the largest, has room for so many bytes at its lowest level of correction.
  if (Buffer.byteLength(text) > 2953) throw new RangeError('too long for a QR code')
  // A code that is read once, from paper, needs correction; a long one has room for less of it.
  const code = qrcode(0, Buffer.byteLength(text) > 1600 ? 'L' : 'M')
  code.addData(text, 'Byte')
  code.make()
  return code.createSvgTag({ cellSize: 4, margin: 16, scalable: true })
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
