import { z } from 'zod'
import { excludePatterns, type Fields } from '../../config/contract.ts'
import type { CapturableSource } from '../contract.ts'
import { describeExcluded } from '../files/kind.ts'
import type { Kind, KindConfig } from '../kind.ts'
import type { VolumeSourceConfig } from './config.ts'
import { volumeDiscovery } from './propose.ts'

/** Named volumes of Docker, as others know them. Once one is found, it is a tree of files, and so are its facts. */
export const volumeKind: Kind<VolumeSourceConfig> = {
  name: 'volume',
  title: 'volume',
  config: config(),
  paths: ({ paths }) => paths,
  movedTo: (source, paths) => ({ ...source, paths }),
  describe: ({ volume, paths, exclude }) =>
    `volume ${volume}, ${paths.join(' ')}${describeExcluded(exclude)}`,
  volume: ({ volume }) => volume,
  exclude: ({ exclude }) => exclude,
  discovery: volumeDiscovery,
  capture: async () => (await import('../files/index.ts')).filesSource as CapturableSource,
  restore: { by: 'place', open: async () => (await import('../files/restore.ts')).restorableFiles },
}

function config(): KindConfig<VolumeSourceConfig> {
  const shape = {
    volume: z
      .string()
      .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'is not the name of a volume')
      .describe("The volume's name as Docker has it, or as the Compose file has it."),
    exclude: excludePatterns(),
  }
  return {
    description: 'A named volume of Docker.',
    shape,
    // A volume is at the same place as itself, and at no other's.
    places: ({ volume }: Fields) =>
      typeof volume === 'string' ? [{ path: ['volume'], text: `/volume:/${volume}` }] : [],
    normalise: ({ volume, exclude }: z.output<z.ZodObject<typeof shape>>, common) => ({
      ...common,
      kind: 'volume',
      volume,
      exclude: exclude ?? [],
      paths: [],
    }),
  }
}
