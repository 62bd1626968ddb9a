import { expect, test } from 'vitest'
import { parseContainerCommand } from '../../../../src/sources/redis/talk/container-command.ts'

const told = (...words: string[]) => {
  const start = parseContainerCommand(words)
  return start && [start.file, Object.fromEntries(start.directives)]
}

test('the server of a command line, whatever starts it', () => {
  const aof = { appendonly: 'yes' }
  expect(told('redis-server', '--appendonly', 'yes')).toEqual([undefined, aof])
  expect(told('docker-entrypoint.sh', 'redis-server', '/etc/redis.conf', '--appendonly', 'yes')).toEqual([
    '/etc/redis.conf',
    aof,
  ])
  expect(told('docker-entrypoint.sh', '--appendonly', 'yes')).toEqual([undefined, aof])
  expect(told('/usr/local/bin/docker-entrypoint.sh', 'my.conf')).toEqual(['my.conf', {}])
  expect(told('tini', '--', '/usr/bin/valkey-server', '--port', '6390')).toEqual([
    undefined,
    { port: '6390' },
  ])
})

test('the server in a line of sh, unless variables decide', () => {
  const start = told(
    'sh',
    '-c',
    'sysctl x; exec redis-server --requirepass "$PASSWORD" --appendonly yes; echo $?',
  )
  expect(start?.[1]).toMatchObject({ appendonly: 'yes' })
  expect(told('sh', '-c', 'redis-server --appendonly $AOF')).toBeUndefined()
  expect(told('/bin/sh', '-c', 'redis-server $OPTIONS')).toBeUndefined()
  expect(told('sh', '-c', 'redis-server "$CONFIG" --save ""')).toBeUndefined()
})

test('an entrypoint that makes it up', () => {
  expect(told('/opt/scripts/entrypoint.sh', '/opt/scripts/run.sh')).toBeUndefined()
  expect(told('docker-entrypoint.sh', 'bash')).toBeUndefined()
})
