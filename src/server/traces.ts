import type { Operation, LogEntry } from './contract/operations.ts'

/** A span as OTLP over HTTP has it, in JSON. */
interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: 1
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly status: { readonly code: 1 | 2; readonly message?: string }
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue: string }
}

type Random = (size: number) => Uint8Array

/** A trace of an operation that has ended: itself, and a span for each of its phases. */
export function traceOf(operation: Operation, log: readonly LogEntry[], random: Random): object {
  const { kind, state, started, finished, id, by, host, error } = operation
  const hex = (size: number) => Buffer.from(random(size)).toString('hex')
  const traceId = hex(16)
  const root = hex(8)
  const end = finished ?? started ?? operation.queued
  const phases = log.filter((entry) => entry.type === 'phase')
  const isGood = state === 'ok' || state === 'incomplete'
  const status = { code: isGood ? 1 : 2, ...(error && { message: error.detail }) } as const
  const spans: readonly Span[] = [
    {
      traceId,
      spanId: root,
      name: `permafrost ${kind}`,
      kind: 1,
      status,
      startTimeUnixNano: nanos(started ?? operation.queued),
      endTimeUnixNano: nanos(end),
      attributes: attributes({ 'permafrost.operation': id, 'permafrost.state': state, 'permafrost.by': by }),
    },
    ...phases.map(({ phase, at, message }, index): Span => ({
      traceId,
      spanId: hex(8),
      parentSpanId: root,
      name: phase,
      kind: 1,
      status: { code: 1 },
      startTimeUnixNano: nanos(at),
      endTimeUnixNano: nanos(phases[index + 1]?.at ?? end),
      attributes: attributes({ 'permafrost.message': message }),
    })),
  ]
  const resource = { attributes: attributes({ 'service.name': 'permafrost', 'host.name': host }) }
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'permafrost' }, spans }] }] }
}

/** Send a trace to a collector; what it does not take is lost. @throws whatever fetch throws */
export async function sendTrace(endpoint: string, trace: object): Promise<void> {
  await fetch(`${endpoint.replace(/\/+$/, '')}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(trace),
    signal: AbortSignal.timeout(10_000),
  })
}

function nanos(time: string): string {
  return `${Date.parse(time)}000000`
}

function attributes(values: Readonly<Record<string, string>>): readonly Attribute[] {
  return Object.entries(values).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}
