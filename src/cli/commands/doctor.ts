import { ERRORS } from '../../core/errors.ts'
import { doctor } from '../../operations/doctor.ts'
import type { Check } from '../../operations/doctor.ts'
import type { AddCommand } from '../command.ts'
import { printable } from '../output.ts'
import type { Output } from '../output.ts'

/** `permafrost doctor` */
export const addDoctor: AddCommand = (program, run) => {
  program
    .command('doctor')
    .summary('is everything in order')
    .description(
      'Check everything that a backup needs, say what to do about what is wrong, and clear what killed runs left behind.',
    )
    .action((_options, command) =>
      run(command, async (c) => {
        c.config()
        const checks = await doctor({
          ...c.base(),
          openEngine: () => c.engine(),
          openRepository: () => c.repository('write'),
        })
        c.output.answer({ checks }, () => checks.flatMap((check) => lines(check, c.output)))
        const failed = checks.find((check) => check.status === 'failed')
        return failed ? ERRORS[failed.code ?? 'INTERNAL'].exit : 0
      }),
    )
}

function lines(check: Check, output: Output): readonly string[] {
  const marks = {
    ok: output.style('green', '✓ ok     '),
    warning: output.style('yellow', '! warning'),
    failed: output.style('red', '✗ failed '),
  }
  const hints = (check.hint ?? []).map((hint) => `            ${printable(hint)}`)
  return [`${marks[check.status]} ${check.name}: ${printable(check.message)}`, ...hints]
}
