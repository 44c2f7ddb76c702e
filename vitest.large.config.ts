import { defineConfig } from 'vitest/config'

/** The heavy suite, `npm run test:large`: gigabytes through every store, alone on the machine. */
export default defineConfig({
  test: {
    include: ['test/large/*.large.ts'],
    globalSetup: ['test/helpers/build.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
  },
})
