import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig } from 'rolldown'

const worker = modulesOf('src/repository/worker.ts')

/**
 * The command line in a few files instead of three hundred: a command starts in a quarter of the time. What the workers need is one
 * file, what most commands need is another, without blanks, for Node.js spends the start on finding and parsing; names stay, for
 * the sake of stack traces. Folders are as deep as in `src`, so that paths relative to a module stay right.
 */
export default defineConfig({
  input: {
    index: 'src/index.ts',
    'cli/main': 'src/cli/main.ts',
    'repository/worker': 'src/repository/worker.ts',
    'engine/embedded-server': 'src/engine/embedded-server.ts',
    'engine/embedded-bridge': 'src/engine/embedded-bridge.ts',
    'engine/scratch-keeper': 'src/engine/scratch-keeper.ts',
  },
  platform: 'node',
  external: [/^(?!zod$|yaml$|commander$|p-limit$|yocto-queue$|fastest-levenshtein$|@clickhouse\/)[a-z@]/],
  output: {
    dir: 'dist',
    chunkFileNames: 'chunks/[name]-[hash].js',
    cleanDir: true,
    codeSplitting: {
      groups: [
        { name: 'worker', test: (id) => worker.has(id), priority: 2 },
        { name: 'core', test: /\/src\/(core|repository|config)\//, minShareCount: 2, priority: 1 },
      ],
    },
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  },
})

/** A module's file, and those of all that it imports of ours. */
function modulesOf(entry: string, found = new Set<string>()): ReadonlySet<string> {
  const file = resolve(entry)
  if (found.has(file)) return found
  found.add(file)
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(/^import (?!type).* from '(\..+)'$/gm))
    modulesOf(resolve(file, '..', path), found)
  return found
}
