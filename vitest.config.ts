import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/build.ts', 'test/helpers/report.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // Two cores: a file that runs an engine takes one, the tests beside it the other.
    maxWorkers: 2,
  },
})
