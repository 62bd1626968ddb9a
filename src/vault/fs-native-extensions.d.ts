declare module 'fs-native-extensions' {
  /** Takes an exclusive lock of the open file at once; false when another descriptor holds it. */
  export function tryLock(fd: number): boolean
}
