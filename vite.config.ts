import { defineConfig } from 'vite'

/** The console: from web/ to dist/console, where the agent serves it under a policy that allows nothing inline. */
export default defineConfig({
  root: 'web',
  // Vite 8 compiles JSX itself.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // Beside an agent that runs already: `npm run dev:console`.
  server: { host: '127.0.0.1', proxy: { '/api': 'http://127.0.0.1:7171' } },
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    target: 'baseline-widely-available',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
})
