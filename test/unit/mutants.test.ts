import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withFault } from '../mutants/fault.ts'
import { TABLE } from '../mutants/faults/index.ts'

const ROOT = join(import.meta.dirname, '../..')

test.each(Object.values(TABLE).flat())('the fault $name has its place and its tests', (fault) => {
  expect(withFault(readFileSync(join(ROOT, fault.file), 'utf8'), fault)).not.toBe('')
  expect(fault.tests.filter((test) => !existsSync(join(ROOT, test)))).toEqual([])
})
