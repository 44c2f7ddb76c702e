import { configKeys } from '../src/config/schema.ts'
import { ERRORS } from '../src/core/errors.ts'

/** The docs that are made from tables in the code, by file name. */
export function generatedDocs(): ReadonlyMap<string, string> {
  return new Map([
    ['configuration.md', configuration()],
    ['errors.md', errors()],
  ])
}

function configuration(): string {
  const rows = configKeys().map(
    ({ path, environment, description }) =>
      `| \`${path}\` | ${environment ? `\`${environment}\`` : '–'} | ${description} |`,
  )
  return `# Configuration

<!-- Made by npm run docs from src/config/schema.ts. -->

YAML, given with \`-c\`, by \`PERMAFROST_CONFIG\`, or at \`/etc/permafrost/config.yaml\`. A flag wins over the environment, the environment over the file, the file over the
default; \`npx permafrost config show --origin\` prints each value and where it came from. Unknown settings are errors. Relative paths start at the file. Where a value
says \`\${file:…}\` or \`\${env:…}\`, it is read from there when it is needed.

| setting | environment | |
|---|---|---|
${rows.join('\n')}

Editors can use the JSON Schema:

\`\`\`sh
npx permafrost config schema > permafrost.schema.json
\`\`\`
`
}

function errors(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { exit, title, retryable }]) => `| ${exit} | ${code} | ${title} | ${retryable ? 'yes' : 'no'} |`,
  )
  return `# Errors and exit codes

<!-- Made by npm run docs from src/core/errors.ts. -->

An error is a sentence that names the thing, a code, and what to do next; with \`--json\` it is a document on stdout. Exit code 0 means that what was asked for is
done and that nothing is missing and nothing damaged.

| exit | code | means | worth another try |
|--:|---|---|---|
${rows.join('\n')}

3 and 13 also end commands that did their work: a backup or restore in which something is missing (3), bytes that are wrong at the source, in the repository or after a restore (13). A
second Ctrl-C, too, ends with 130.
`
}
