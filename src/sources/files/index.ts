import type { FilesSourceConfig } from '../../model/config.ts'
import type { CapturableSource } from '../contract.ts'
import { captureFileChanges, captureFiles } from './capture.ts'
import { canScan, scanFiles } from './scan.ts'

/** Trees of files, captured with the tar of the server. */
export const filesSource: CapturableSource<FilesSourceConfig> = {
  kind: 'files',
  capture: captureFiles,
  incremental: { canList: canScan, list: scanFiles, captureChanges: captureFileChanges },
}
