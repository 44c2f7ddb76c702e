#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// V8 keeps what it compiled beside the code, which only those can write who can write the code itself. It spares a quarter of the
// start; where nobody may write, it is not there.
if (import.meta.url.endsWith('.js')) enableCompileCache(fileURLToPath(new URL('../compile-cache', import.meta.url)))
const { commandLine } = await import('./command-line.ts')
await commandLine()
