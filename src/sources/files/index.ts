import type { FilesSourceConfig } from '../../model/config.ts'
import type { CapturableSource } from '../contract.ts'
import { captureFiles, captureFilesOverSftp, findExcluded, lookAtFiles, openFiles } from './capture.ts'
import { canScan } from '../tree/scan.ts'

/** Trees of files, captured with the tar of the server, or over SFTP where nothing can be run. */
export const filesSource: CapturableSource<FilesSourceConfig> = {
  kind: 'files',
  look: lookAtFiles,
  capture: captureFiles,
  captureOverSftp: captureFilesOverSftp,
  findExcluded,
  incremental: { canList: canScan, open: openFiles },
}
