import { Corrupt } from '../core/corrupt.ts'

/** Read something that can be checked. The way may spoil bytes, so what does not check is read once more: only what is wrong twice is damaged in the store. */
export async function readChecked<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof Corrupt)) throw error
    return read()
  }
}
