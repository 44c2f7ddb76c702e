import type * as ForeignCalls from 'ffi-rs'
import { createRequire } from 'node:module'
import { chdbLibrary } from './chdb-library.ts'

// The entry of the engine's process. libchdb exports `clickhouse local` as one C function, and since 26.7 that takes
// SYSTEM START LISTEN: a real ClickHouse server with HTTP, users and grants. The last query reads standard input, so the
// process lives exactly as long as its parent holds the pipe open.

interface Job {
  readonly path: string
  readonly port: number
  readonly file: string
}

const NO_FOREIGN_CALLS = 86
const job = JSON.parse(process.argv[2] ?? '{}') as Job
const ffi = loadForeignCalls()
const args = [
  'clickhouse',
  `--path=${job.path}`,
  `--http_port=${job.port}`,
  '--listen_host=127.0.0.1',
  `--config-file=${job.file}`,
  '--table=parent',
  '--structure=line String',
  '--input-format=LineAsString',
  '--output-format=TSV',
  '--query=SYSTEM START LISTEN HTTP; SELECT count() FROM parent',
]
ffi.open({ library: 'chdb', path: chdbLibrary() })
ffi.load({
  library: 'chdb',
  funcName: 'chdb_query_cmdline',
  retType: ffi.DataType.External,
  paramsType: [ffi.DataType.I32, ffi.DataType.StringArray],
  paramsValue: [args.length, args],
})
process.exit(0)

// ffi-rs calls on the thread's own stack, which ClickHouse checks; koffi brings a stack of its own and is refused.
function loadForeignCalls(): typeof ForeignCalls {
  try {
    return createRequire(import.meta.url)('ffi-rs') as typeof ForeignCalls
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(NO_FOREIGN_CALLS)
  }
}
