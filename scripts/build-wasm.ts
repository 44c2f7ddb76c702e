// Compiles wasm/cityhash.ts into src/core/cityhash-wasm.ts. The build is reproducible: a test compiles again and compares.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compileCityHash } from '../wasm/compile.ts'

const target = fileURLToPath(new URL('../src/core/cityhash-wasm.ts', import.meta.url))
const wasm = await compileCityHash()
writeFileSync(
  target,
  `// Made by \`npm run build:wasm\` from wasm/cityhash.ts; do not edit. ${wasm.length} bytes.\nexport const CITYHASH_WASM =\n  '${wasm.toString('base64')}'\n`,
)
console.log(`${target}: ${wasm.length} bytes`)
