import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { treeListing } from '../lab/command-services.ts'
import { startWorld, type World, type WorldConfig } from '../lab/world.ts'

let world: World
let config: WorldConfig
beforeAll(async () => {
  world = await startWorld()
  config = structuredClone(world.config)
  await world.writeConfig()
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(async () => {
  Object.assign(world.config, structuredClone(config))
  await world.writeConfig()
})

interface Told {
  readonly ok: boolean
  readonly checks: readonly {
    readonly check: string
    readonly host?: string
    readonly source?: string
    readonly outcome: string
    readonly message: string
    readonly next?: string
  }[]
}

async function checked(...args: string[]): Promise<{ code: number; told: Told }> {
  const { code, stdout } = await world.cli('check', ...args, '--json')
  return { code, told: JSON.parse(stdout) as Told }
}

/** The checks of this outcome, `host check source: message`. */
function of(told: Told, outcome: string): string[] {
  return told.checks
    .filter((one) => one.outcome === outcome)
    .map(({ host = '', check, source = '', message }) => `${host} ${check} ${source}: ${message}`)
}

test('before the first pull nothing is failed, and nothing is changed', async () => {
  const before = treeListing(world.deployment)
  const run = await world.cli('check')
  expect(run.code, run.stdout).toBe(0)
  expect(treeListing(world.deployment)).toEqual(before)
})
