import type { Scenario } from '../contract.ts'
import { append } from './append.ts'
import { cutover } from './cutover.ts'
import { fleet } from './fleet.ts'
import { lossyLink, slowLink } from './links.ts'
import { memory } from './memory.ts'
import { mixed } from './mixed.ts'
import { seed } from './seed.ts'
import { startUp } from './start-up.ts'
import { vault } from './vault.ts'

/** In the order they run. */
export const SCENARIOS: readonly Scenario[] = [
  mixed,
  seed,
  append,
  startUp,
  vault,
  slowLink,
  lossyLink,
  fleet,
  cutover,
  memory,
]
