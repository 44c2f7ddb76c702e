import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownedByServer, runTool } from './server-process.ts'

/** A certificate for 127.0.0.1 that is its own authority; nobody trusts it unless it is given as one. */
export interface Certificate {
  readonly certificateFile: string
  readonly keyFile: string
  readonly certificate: string
}

export function makeCertificate(directory: string): Certificate {
  const [certificateFile, keyFile] = [join(directory, 'certificate.pem'), join(directory, 'key.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  runTool('openssl', 'req', '-x509', '-days', '2', ...key, ...subject, '-out', certificateFile)
  ownedByServer(keyFile)
  return { certificateFile, keyFile, certificate: readFileSync(certificateFile, 'utf8') }
}
