import type { FaultTable } from '../fault.ts'
import { vault } from './vault.ts'

export const TABLE: FaultTable = { vault }
