import type { Composition } from './compose.ts'

/** The answer of a command that moves bytes. A document also says what the stores were asked for meanwhile, by kind. */
export function answerWithRequests(
  { output, meter }: Pick<Composition, 'output' | 'meter'>,
  result: object,
  lines: () => readonly string[],
): void {
  output.answer({ ...result, requests: meter.usage() }, lines)
}
