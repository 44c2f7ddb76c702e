import { stringify } from 'yaml'
import { configJsonSchema } from '../../config/schema.ts'
import { redactedConfig, shownConfig } from '../../config/shown-config.ts'
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
        const shown = redactedConfig(values)
        c.output.answer({ file, config: shown, origins: Object.fromEntries(origins) }, () =>
          options.origin
            ? table(
                c.output,
                [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'ORIGIN' }],
                shownConfig(c.config()).map(({ path, value, origin }) => [
                  path,
                  value === undefined ? '' : JSON.stringify(value),
                  origin,
                ]),
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
