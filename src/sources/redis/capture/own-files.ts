import type { Inspection } from '../talk/inspection.ts'
import type { OwnFiles } from './directory-watch.ts'

/** Redis' defaults (redis.conf), for a server that does not tell. */
const DBFILENAME = 'dump.rdb'
const APPENDDIRNAME = 'appendonlydir'
const APPENDFILENAME = 'appendonly.aof'

type Running = { readonly rdb: string; readonly aof: NonNullable<OwnFiles['aof']> }

/** Left behind by saves and rewrites that were cut off, or being written (rdb.c, aof.c); as lines of `.gitignore`. */
export const TEMPORARY = ['/temp-*.rdb', '/temp-rewriteaof-*.aof'] as const

/** The names of a running server's files: as it says, else by its defaults and by what lies there. */
export function ownFiles(inspection: Inspection): Running {
  const { settings, directory } = inspection
  const appenddirname = settings.appenddirname ?? directory.manifestDirectory ?? APPENDDIRNAME
  const multiPart = directory.directories.includes(appenddirname) || majorVersion(inspection) >= 7
  return {
    rdb: settings.dbfilename ?? onlyOne(directory.files, '.rdb', DBFILENAME) ?? DBFILENAME,
    aof: multiPart
      ? { layout: 'multi-part', name: appenddirname }
      : { layout: 'single-file', name: settings.appendfilename ?? APPENDFILENAME },
  }
}

/** The names by what lies in the directory of a server that does not run, when nobody can be asked. */
export function foundFiles({ directory, settings }: Inspection): OwnFiles {
  const { dbfilename = DBFILENAME, appendfilename = APPENDFILENAME } = settings
  const single = onlyOne(directory.files, '.aof', appendfilename)
  const { manifestDirectory } = directory
  return {
    rdb: onlyOne(directory.files, '.rdb', dbfilename),
    ...(manifestDirectory !== undefined
      ? { aof: { layout: 'multi-part', name: manifestDirectory } }
      : single !== undefined
        ? { aof: { layout: 'single-file', name: single } }
        : {}),
  }
}

/** Every name that an AOF of this server can have, also one that is left over from before an upgrade. */
export function aofNames(inspection: Inspection): readonly string[] {
  return [
    inspection.settings.appenddirname ?? inspection.directory.manifestDirectory ?? APPENDDIRNAME,
    inspection.settings.appendfilename ?? APPENDFILENAME,
  ]
}

function majorVersion(inspection: Inspection): number {
  return Number(/^\d+/.exec(inspection.info.get('redis_version') ?? '')?.[0] ?? 0)
}

function onlyOne(files: readonly string[], extension: string, usual: string): string | undefined {
  if (files.includes(usual)) return usual
  const found = files.filter((file) => file.endsWith(extension) && !file.startsWith('temp-'))
  return found.length === 1 ? found[0] : undefined
}
