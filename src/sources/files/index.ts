import type { FilesSourceConfig } from '../../model/config.ts'
import type { CapturableSource } from '../contract.ts'
import { captureFiles } from './capture.ts'

/** Trees of files, captured with the tar of the server. */
export const filesSource: CapturableSource<FilesSourceConfig> = { kind: 'files', capture: captureFiles }
