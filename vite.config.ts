import { defineConfig } from 'vite'

/** The console: from web/ to dist/console, where the agent serves it under a policy that allows no inline script or style. */
export default defineConfig({
  root: 'web',
  // Vite 8 compiles JSX itself.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    target: 'baseline-widely-available',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
})
