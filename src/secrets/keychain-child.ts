import { text } from 'node:stream/consumers'

// The process that asks the keychain (`keychain.ts`): it runs when it is imported. It reads its question as JSON from
// stdin, so that no secret is in argv, and answers on stdout.
void answer().then((said) => process.stdout.write(JSON.stringify(said)))

async function answer(): Promise<{ readonly answer?: unknown } | { readonly error: string }> {
  try {
    const [method, service, account, ...values] = JSON.parse(await text(process.stdin)) as [
      'getPassword' | 'setPassword' | 'deleteCredential',
      string,
      string,
      string,
    ]
    const { Entry } = await import('@napi-rs/keyring')
    const entry = new Entry(service, account, { linux: { store: 'secret-service' } })
    return { answer: method === 'setPassword' ? entry.setPassword(...values) : entry[method]() }
  } catch (error) {
    return { error: String((error as Error).message) }
  }
}
