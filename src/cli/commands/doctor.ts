import type { Check } from '../../core/check.ts'
import { ERRORS } from '../../core/errors.ts'
import { doctor } from '../../operations/doctor.ts'
import type { DoctorContext } from '../../operations/doctor.ts'
import type { AddCommand } from '../command.ts'
import type { Composition } from '../compose.ts'
import { printable } from '../output.ts'
import type { Output } from '../output.ts'

/** `permafrost doctor` */
export const addDoctor: AddCommand = (program, run) => {
  program
    .command('doctor [url]')
    .summary('is everything in order')
    .description(
      'Check everything that a backup needs, say what to do about what is wrong, and clear what killed runs left behind. With a location: try there what backups rely on, on some thousand small objects that are deleted again.',
    )
    .action((url: string | undefined, _options, command) =>
      run(command, async (c) => {
        c.config()
        const checks = url === undefined ? await doctor(wholeOf(c)) : await examine(c, url)
        c.output.answer({ checks }, () => checks.flatMap((check) => lines(check, c.output)))
        const failed = checks.find((check) => check.status === 'failed')
        return failed ? ERRORS[failed.code ?? 'INTERNAL'].exit : 0
      }),
    )
}

function wholeOf(c: Composition): DoctorContext {
  return { ...c.base(), openEngine: () => c.engine(), openRepository: () => c.repository('write') }
}

async function examine(c: Composition, url: string): Promise<readonly Check[]> {
  const { examineLocation } = await import('../../operations/examine-location.ts')
  return examineLocation({
    ...c.base(),
    connect: () => c.storageAt(url),
    openRepository: () => c.repositoryAt(url, 'write'),
  })
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
