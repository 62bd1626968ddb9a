import { expect, test } from 'vitest'
import { parseClusterNodes } from '../../../../src/sources/redis/capture/scan-cluster.ts'

const line = (id: string, flags: string, master: string, ...slots: string[]): string =>
  [id, '127.0.0.1:7000@17000', flags, master, '0', '0', '1', 'connected', ...slots].join(' ')

test('a node has its own slots, a replica those of its master, and moving ones are told', () => {
  const master = line('a', 'master', '-', '0-5460', '6000', '[93->-b]')
  const other = line('b', 'myself,master', '-', '5461-5999', '[93-<-a]')
  expect(parseClusterNodes(`${master}\n${other}\n`)).toEqual({ slots: '5461-5999', moving: ['93'] })
  const replica = line('c', 'myself,slave', 'a')
  expect(parseClusterNodes(`${master}\r\n${replica}\r\n`)).toEqual({ slots: '0-5460 6000', moving: ['93'] })
  expect(parseClusterNodes(line('d', 'myself,master', '-'))).toEqual({ slots: '', moving: [] })
  expect(parseClusterNodes('')).toEqual({ slots: undefined, moving: [] })
})
