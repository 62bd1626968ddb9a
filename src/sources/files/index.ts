import type { FilesSourceConfig } from './config.ts'
import type { CapturableSource } from '../contract.ts'
import { captureFiles, captureFilesOverSftp, openFiles } from './capture.ts'
import { findExcluded, lookAtFiles } from './look.ts'
import type { FilesFacts } from './facts.ts'
import { canScan } from '../tree/scan.ts'

/** Trees of files, captured with the tar of the server, or over SFTP where nothing can be run. */
export const filesSource: CapturableSource<FilesSourceConfig> = {
  look: lookAtFiles,
  capture: captureFiles,
  captureOverSftp: captureFilesOverSftp,
  findExcluded,
  incremental: {
    facts: (counts): FilesFacts => ({ kind: 'files', ...counts }),
    canList: canScan,
    open: openFiles,
  },
}
