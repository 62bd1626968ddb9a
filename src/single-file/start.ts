import { KEYCHAIN_CHILD } from '../secrets/keychain.ts'

// The single executable's way in. What it starts of itself is told apart by the first argument.
if (process.argv[2] === KEYCHAIN_CHILD) void import('../secrets/keychain-child.ts')
else void import('../main.ts').then(({ main }) => main(process.argv))
