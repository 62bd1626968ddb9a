// A client of its own process that holds a lease until it is killed: node hold-lease.ts '<ssh config>' FILE ['<privilege>']
import { SILENCE_LIMIT } from '../../src/remote/lease.ts'
import { connectSsh } from '../../src/remote/ssh.ts'
import type { Privilege } from '../../src/remote/contract.ts'
import type { SshConfig } from '../../src/model/config.ts'

const [, , ssh = '{}', file = '', privilege] = process.argv
const signal = new AbortController().signal
const host = await connectSsh(
  { name: 'lab', ssh: JSON.parse(ssh) as SshConfig },
  { resolveSecret: () => Promise.reject(new Error('no secrets here')), signal },
)
const lease = await host.lease(
  {
    script: '../test/lab/leased',
    args: [file],
    privilege: privilege === undefined ? undefined : (JSON.parse(privilege) as Privilege),
  },
  { firstLines: ['by the client'], signal },
)
process.stdout.write(`${await lease.nextLine(signal)} ${SILENCE_LIMIT}\n`)
setInterval(() => {}, 1000)
