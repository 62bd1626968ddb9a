import type { Discovery, ProposedSource } from '../../model/discovery.ts'

/** How servers of a kind are known in containers. */
interface KnownBy {
  readonly kind: string
  readonly image: RegExp
  /** Where their images keep the data. */
  readonly data: RegExp
}

/** A source for each container of such a server. */
export function serversInContainers(found: Discovery, { kind, image, data }: KnownBy): ProposedSource[] {
  return found.containers
    .filter((container) => image.test(container.image))
    .map(({ service, name, mounts }) => {
      const paths = mounts.filter(({ destination }) => data.test(destination)).map(({ source }) => source)
      return {
        name: service ?? name,
        config: { kind, ...(service === undefined ? { container: name } : { service }) },
        paths,
        bytes: paths[0] === undefined ? undefined : found.sizes.get(paths[0]),
        dataService: service ?? name,
      }
    })
}

/** A source for a server of the host itself, of which nobody here knows who may ask it. */
export function serverOfHost(kind: string, address: string): ProposedSource {
  return {
    name: kind,
    config: { kind, address },
    paths: [],
    bytes: undefined,
    note: 'add the user, and the password as a secret',
    isDoubtful: true,
  }
}
