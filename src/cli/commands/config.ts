import { stringify } from 'yaml'
import { redact } from '../../config/secrets.ts'
import { configJsonSchema, configKeys } from '../../config/schema.ts'
import type { Config } from '../../config/schema.ts'
import type { AddCommand } from '../command.ts'
import { table } from '../output.ts'

/** `permafrost config show|check|schema` */
export const addConfig: AddCommand = (program, run) => {
  const config = program.command('config').summary('the configuration').description('Show and check the configuration.')
  config
    .command('show')
    .summary('what is in force')
    .description('Show the configuration that is in force, secrets left out.')
    .option('--origin', 'where each value comes from')
    .action((options: { readonly origin?: boolean }, command) =>
      run(command, async (c) => {
        const { config: values, origins, file } = c.config()
        const shown = redacted(values)
        const rows = configKeys().map(({ path }) => ({
          path,
          value: valueAt(shown, path),
          origin: origins.get(path) ?? 'default',
        }))
        c.output.answer({ file, config: shown, origins: Object.fromEntries(origins) }, () =>
          options.origin
            ? table(
                c.output,
                [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'ORIGIN' }],
                rows.map(({ path, value, origin }) => [path, value === undefined ? '' : JSON.stringify(value), origin]),
              )
            : stringify(shown).trimEnd().split('\n'),
        )
      }),
    )
  config
    .command('check')
    .summary('is it right')
    .description('Check the configuration, secrets included, without connecting anywhere.')
    .action((_options, command) =>
      run(command, async (c) => {
        const { file } = c.config()
        await c.storage()
        c.key()?.read()
        c.output.answer({ ok: true, file }, () => [
          `The configuration ${file ?? '(defaults and environment)'} is right`,
        ])
      }),
    )
  config
    .command('schema')
    .summary('as JSON Schema')
    .description('Print the configuration’s JSON Schema, for editors.')
    .action((_options, command) =>
      run(command, async (c) => {
        c.process.stdout.write(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`)
      }),
    )
}

function redacted(config: Config): unknown {
  const copy = structuredClone(config) as Record<string, Record<string, unknown> | undefined>
  for (const { path, secret } of configKeys()) {
    const [group = '', name = ''] = path.split('.')
    const value = copy[group]?.[name]
    if (secret && copy[group]) copy[group][name] = redactAll(value)
  }
  return copy
}

/** A secret, or a map of them. */
function redactAll(value: unknown): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, redactAll(inner)]))
}

function valueAt(config: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      config,
    )
}
