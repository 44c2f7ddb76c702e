import { z } from 'zod'
import { API, ROUTES } from './contract/routes.ts'
import type { Route } from './contract/routes.ts'
import { problem } from './contract/shapes.ts'

type Json = Readonly<Record<string, unknown>>

/** The OpenAPI 3.1 document of `/api/v1`, from the table that the server itself goes by. */
export function openApi(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [name, route] of Object.entries<Route>(ROUTES)) {
    const path = `${API}${route.path.replaceAll(/:(\w+)/g, '{$1}')}`
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(name, route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Permafrost', version, description: 'The REST API of `permafrost agent`.' },
    paths,
    components: {
      schemas: { Problem: schemaOf(problem, 'output') },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'permafrost_session' },
      },
    },
  }
}

const MEDIA = { json: 'application/json', events: 'text/event-stream', lines: 'application/x-ndjson' } as const

function operationOf(name: string, route: Route): Json {
  const { scope, summary, query, body, answer, stream = 'json', status = 200, path } = route
  const security = scope === 'open' ? [] : [{ token: [scope] }, { session: [scope] }]
  return {
    operationId: name,
    summary: `${summary}${scope === 'open' ? '' : ` (${scope})`}`,
    security,
    parameters: [...pathParameters(path), ...(query ? queryParameters(query) : [])],
    ...(body && { requestBody: { required: true, content: { [MEDIA.json]: { schema: schemaOf(body, 'input') } } } }),
    responses: {
      [status]: { description: 'It worked.', content: { [MEDIA[stream]]: { schema: schemaOf(answer, 'output') } } },
      default: {
        description: 'A problem: RFC 9457, with the code of the table of errors.',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function pathParameters(path: string): readonly Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

function queryParameters(query: z.ZodObject): readonly Json[] {
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input' })
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }))
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
