/**
 * A file or directory that lies beside the code: in src/, or in dist/, where the build puts all code into the
 * topmost directory and such files at their own places. `path` is relative to that, with `../` for the package's.
 */
export function asset(path: string): URL {
  return new URL(path, import.meta.url)
}
