import { decodeText, wholeRecords } from '../../../model/talk.ts'

/** A record of a script's stdout: a name and a value, which may be empty. */
export type ScriptRecord = readonly [name: string, value: string]

/** The records of a script that says `end` last; undefined when they are not whole. */
export function parseRecords(stdout: Buffer): readonly ScriptRecord[] | undefined {
  return wholeRecords(stdout)?.map(([name = '', value]) => [name, decodeText(value)])
}
