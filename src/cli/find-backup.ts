export { findBackup } from '../operations/find-backup.ts'
