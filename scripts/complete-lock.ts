import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Adds to package-lock.json the optional packages of other platforms that npm could not look up: a registry mirror need not
 * have the macOS build of a library, but `npm ci` refuses a lock file that does not name it. Run it after `npm install`.
 */
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock
const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !lock.packages[`node_modules/${name}`])
    .map(([name, version]) => [`node_modules/${name}`, platformPackage(version, name, Boolean(entry.dev))] as const)
    .filter(() => path !== ''),
)
lock.packages = Object.fromEntries(
  [...Object.entries(lock.packages), ...missing].toSorted(([a], [b]) => (a < b ? -1 : 1)),
)
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${missing.length} packages of other platforms added`)

interface Lock {
  packages: Record<string, { optionalDependencies?: Record<string, string>; dev?: boolean }>
}

/** An entry that npm leaves out on every platform but its own, which such packages have in their names. */
function platformPackage(version: string, name: string, dev: boolean) {
  const [, os = 'none', cpu = 'none', abi] =
    /\b(android|darwin|freebsd|linux|openharmony|win32)-(\w+)(?:-(\w+))?$/.exec(name) ?? []
  const libc = os === 'linux' && abi ? [abi.startsWith('musl') ? 'musl' : 'glibc'] : undefined
  return { version, cpu: [cpu], ...(dev && { dev }), ...(libc && { libc }), optional: true, os: [os] }
}
