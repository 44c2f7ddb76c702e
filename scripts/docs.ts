// Writes the docs that are tables of the code: `npm run docs`. A test compares them with what the code says now.
import { writeFileSync } from 'node:fs'
import { generatedDocs } from './generated-docs.ts'

for (const [name, text] of generatedDocs()) writeFileSync(new URL(`../docs/${name}`, import.meta.url), text)
