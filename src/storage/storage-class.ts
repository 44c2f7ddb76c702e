import { z } from 'zod'

/** Bytes. In the classes for rare reading at least so much is billed; smaller objects are records that are read often. */
const SMALLEST = 128 * 1024

/** Whether an object goes into the class that the location asks for. */
export function isWorthAClass(body: Uint8Array): boolean {
  return body.length >= SMALLEST
}

/** The option of a location for a class or a tier. @param archives those whose objects must be thawed before they are read */
export function storageClass(...archives: readonly string[]) {
  return z
    .string()
    .refine((name) => !archives.includes(name.toLowerCase()), {
      message: 'what lies in an archive cannot be read at once, and a backup must be',
    })
    .optional()
}
