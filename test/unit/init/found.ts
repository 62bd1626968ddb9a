import type { Discovery, FoundContainer } from '../../../src/model/discovery.ts'

export const APP = '/srv/shop'

export function container(name: string, own: Partial<FoundContainer> = {}): FoundContainer {
  return { name, service: name, image: name, isUp: true, ports: [], mounts: [], ...own }
}

export function mount(
  source: string,
  destination: string,
  volume?: string,
): FoundContainer['mounts'][number] {
  return { source, destination, volume, writable: true }
}

/** What a look has found, in `/srv/shop`; a name with `/` at its end is a directory. */
export function found(names: readonly string[], own: Partial<Discovery> = {}): Discovery {
  return {
    deployment: APP,
    entries: names.map((name) => ({
      name: name.replace(/\/$/, ''),
      isDirectory: name.endsWith('/'),
      bytes: 1024,
    })),
    containers: [],
    programs: [],
    files: [],
    sizes: new Map(),
    ...own,
  }
}
