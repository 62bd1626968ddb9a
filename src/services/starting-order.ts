import type { ContainerLook } from './contract.ts'

/**
 * Services in the order of starting: whatever a service depends on, directly or not, comes before it; otherwise they
 * are sorted by name.
 */
export function startingOrder(
  names: readonly string[],
  containers: readonly Pick<ContainerLook, 'compose'>[],
): readonly string[] {
  const dependencies = new Map<string, readonly string[]>()
  for (const { compose } of containers) {
    if (compose !== undefined) dependencies.set(compose.service, compose.dependsOn)
  }
  // Names on the way so far. Meeting one of them again ends a circle.
  const seen = new Set<string>()
  const ordered: string[] = []
  const visit = (name: string): void => {
    if (seen.has(name)) return
    seen.add(name)
    for (const one of [...(dependencies.get(name) ?? [])].sort()) visit(one)
    ordered.push(name)
  }
  for (const name of [...names].sort()) visit(name)
  const asked = new Set(names)
  return ordered.filter((name) => asked.has(name))
}
