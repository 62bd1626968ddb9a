import { expect, it } from 'vitest'
import { parseTarget } from '../../../src/model/target.ts'

it.each([
  ['relay.example.com', { host: 'relay.example.com' }],
  ['alias', { host: 'alias' }],
  ['ubuntu@relay.example.com', { user: 'ubuntu', host: 'relay.example.com' }],
  ['ubuntu@10.0.0.7:2222', { user: 'ubuntu', host: '10.0.0.7', port: 2222 }],
  ['root@[2001:db8::1]', { user: 'root', host: '2001:db8::1' }],
  ['[::1]:2222', { host: '::1', port: 2222 }],
  ['me@[fe80::1%eth0]:22', { user: 'me', host: 'fe80::1%eth0', port: 22 }],
  ['name@domain@host', { user: 'name@domain', host: 'host' }],
])('parses %s', (text, target) => {
  expect(parseTarget(text)).toEqual(target)
})

it.each([
  '',
  '@host',
  'user@',
  'user@host:',
  'user@host:0',
  'user@host:65536',
  'user@host:ssh',
  'host name',
  '-oProxyCommand=x@host',
  '-host',
  'ssh://user@host',
  'user:secret@host',
  '2001:db8::1',
  '[10.0.0.1]',
  '[::1',
  'user@host\n',
  'host/path',
])('refuses %j', (text) => {
  expect(parseTarget(text)).toBeUndefined()
})
