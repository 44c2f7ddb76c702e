import asc from 'assemblyscript/asc'
import { readFileSync } from 'node:fs'

/** Compile `wasm/cityhash.ts`; the same source and compiler give the same bytes. */
export async function compileCityHash(): Promise<Buffer> {
  const source = readFileSync(new URL('cityhash.ts', import.meta.url), 'utf8')
  let wasm: Uint8Array | undefined
  const { error, stderr } = await asc.main(
    ['cityhash.ts', '-O3', '--runtime', 'stub', '--noAssert', '--initialMemory', '1', '--outFile', 'cityhash.wasm'],
    {
      readFile: (name) => (name === 'cityhash.ts' ? source : null),
      writeFile: (name, contents) => {
        if (name === 'cityhash.wasm' && typeof contents !== 'string') wasm = contents
      },
      listFiles: () => [],
    },
  )
  if (error || !wasm) throw error ?? new Error(`assemblyscript wrote nothing: ${stderr.toString()}`)
  return Buffer.from(wasm)
}
