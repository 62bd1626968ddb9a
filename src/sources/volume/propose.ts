import { isWithin } from '../../model/discovery.ts'
import type { KindDiscovery } from '../kind.ts'

/** Docker calls volumes that nobody has named so. They hold what a container may lose. */
const ANONYMOUS = /^[0-9a-f]{64}$/

/** Volumes with a name that containers of the app write to. */
export const volumeDiscovery: KindDiscovery = {
  propose: (found, taken) => {
    const mounts = found.containers.flatMap((container) => container.mounts)
    const volumes = new Map(
      mounts.flatMap(({ volume, source, writable }) =>
        volume === undefined || !writable || ANONYMOUS.test(volume) ? [] : [[volume, source] as const],
      ),
    )
    return [...volumes].flatMap(([volume, source]) =>
      taken.some((path) => isWithin(source, path))
        ? []
        : [
            {
              name: volume,
              config: { kind: 'volume', volume },
              paths: [source],
              bytes: found.sizes.get(source),
            },
          ],
    )
  },
}
