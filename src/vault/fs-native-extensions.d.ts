declare module 'fs-native-extensions' {
  /** Takes a lock of the open file at once, an exclusive one unless told otherwise; false when another descriptor holds it. */
  export function tryLock(fd: number, options?: { readonly shared: boolean }): boolean
}
