/** A record of a script's stdout: a name and a value, each ended by NUL. */
export type ScriptRecord = readonly [name: string, value: string]

/** The records of a script that says `end` last; undefined when they are not whole. */
export function parseRecords(stdout: Buffer): readonly ScriptRecord[] | undefined {
  const fields = stdout.toString('utf8').split('\0')
  if (fields.pop() !== '' || fields.length % 2 !== 0) return undefined
  const records: ScriptRecord[] = []
  for (let at = 0; at < fields.length; at += 2) records.push([fields[at] ?? '', fields[at + 1] ?? ''])
  return records.pop()?.[0] === 'end' ? records : undefined
}
