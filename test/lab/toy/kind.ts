import { z } from 'zod'
import {
  normaliseRemotePath,
  normaliseSecret,
  remotePath,
  secret,
  type Fields,
} from '../../../src/config/contract.ts'
import type { SourceConfig } from '../../../src/model/config.ts'
import type { Facts } from '../../../src/model/facts.ts'
import type { SecretReference } from '../../../src/model/secret.ts'
import type { Kind } from '../../../src/sources/kind.ts'

/** A table of the toy: a file of lines in its home. */
export interface ToyConfig extends SourceConfig {
  readonly kind: 'toy'
  readonly home: string
  readonly table: string
  readonly password?: SecretReference | undefined
}

export interface ToyFacts extends Facts {
  readonly kind: 'toy'
  readonly lines: number
}

const shape = {
  home: remotePath().describe('The directory that the toy keeps its tables in.'),
  table: z.string().describe('What is captured of it.'),
  password: secret.optional(),
}

/**
 * A kind that only the tests know, as small as one can be. Its server is a directory: each file is a table, and it runs
 * while there is a `.up`; `.password` has its password, if it asks for one. A table is captured as a stream, and loaded beside the one that is there.
 */
export const toyKind: Kind<ToyConfig, ToyFacts> = {
  name: 'toy',
  title: 'toy',
  config: {
    description: 'A toy.',
    shape,
    places: ({ home, table }: Fields) => [
      { path: ['table'], text: `/toy:/${String(home)}/${String(table)}` },
    ],
    normalise: ({ home, table, password }: z.output<z.ZodObject<typeof shape>>, common, resolvePath) => ({
      ...common,
      kind: 'toy',
      home: normaliseRemotePath(home),
      table,
      ...(password && { password: normaliseSecret(password, resolvePath) }),
    }),
  },
  paths: () => [],
  movedTo: (source) => source,
  describe: ({ home, table }) => `table ${table} of the toy in ${home}`,
  secrets: ({ password }) => ({ password }),
  isWhole: true,
  facts: {
    describe: ({ lines }) => `${lines} lines`,
    counts: ({ lines }) => `${lines} lines`,
    amount: ({ lines }) => ({ amount: lines, unit: 'lines' }),
  },
  capture: async () => (await import('./capture.ts')).toySource,
  restore: { by: 'load', open: async () => (await import('./restore.ts')).loadableToy },
}
