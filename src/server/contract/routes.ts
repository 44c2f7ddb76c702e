import type { z } from 'zod'
import {
  auditAnswer,
  auditQuery,
  configAnswer,
  doctorAnswer,
  healthAnswer,
  queryLine,
  queryRequest,
  repositoryAnswer,
  scheduleAnswer,
  sessionAnswer,
  sessionRequest,
  statusAnswer,
} from './agent.ts'
import { backupAnswer, backupQuery, backupsAnswer, backupsQuery, diffAnswer, diffQuery } from './backups.ts'
import {
  logEntry,
  operationAnswer,
  operationLogAnswer,
  operationRequest,
  operationsAnswer,
  operationsQuery,
  planAnswer,
} from './operations.ts'
import type { Scope } from './shapes.ts'

/** A route: what it takes, what it answers, and what a token must be allowed. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  /** `open`: no token needed. Operations that destroy need more than their route says: `scopeOf`. */
  readonly scope: Scope | 'open'
  readonly summary: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  readonly answer: z.ZodType
  /** `json` unless said: one document. `events`: server-sent events. `lines`: NDJSON, a line an `answer`. */
  readonly stream?: 'events' | 'lines'
  readonly status?: 202
}

export const API = '/api/v1'

/**
 * Every route of `/api/v1`, in one table: the server registers it, the OpenAPI document is made from it, and the tests check
 * each answer against it. Errors are `application/problem+json`.
 */
export const ROUTES = {
  health: { method: 'GET', path: '/health', scope: 'open', summary: 'Is the agent up', answer: healthAnswer },
  session: { method: 'GET', path: '/session', scope: 'open', summary: 'Who am I', answer: sessionAnswer },
  signIn: {
    method: 'POST',
    path: '/session',
    scope: 'open',
    summary: 'Trade a token for an HttpOnly cookie',
    body: sessionRequest,
    answer: sessionAnswer,
  },
  signOut: { method: 'DELETE', path: '/session', scope: 'open', summary: 'End the session', answer: sessionAnswer },

  status: { method: 'GET', path: '/status', scope: 'read', summary: 'How it stands', answer: statusAnswer },
  backups: {
    method: 'GET',
    path: '/backups',
    scope: 'read',
    summary: 'The backups',
    query: backupsQuery,
    answer: backupsAnswer,
  },
  backup: {
    method: 'GET',
    path: '/backups/:backup',
    scope: 'read',
    summary: 'A backup: its tables, and partitions, parts and definitions as asked',
    query: backupQuery,
    answer: backupAnswer,
  },
  diff: {
    method: 'GET',
    path: '/backups/:backup/diff',
    scope: 'read',
    summary: 'What changed up to this backup, or since it',
    query: diffQuery,
    answer: diffAnswer,
  },

  operations: {
    method: 'GET',
    path: '/operations',
    scope: 'read',
    summary: 'What runs, waits and was',
    query: operationsQuery,
    answer: operationsAnswer,
  },
  start: {
    method: 'POST',
    path: '/operations',
    scope: 'operate',
    summary: 'Start an operation',
    body: operationRequest,
    answer: operationAnswer,
    status: 202,
  },
  plan: {
    method: 'POST',
    path: '/plans',
    scope: 'operate',
    summary: 'What an operation would do (backup, restore, forget, copy, prune)',
    body: operationRequest,
    answer: planAnswer,
  },
  operation: {
    method: 'GET',
    path: '/operations/:operation',
    scope: 'read',
    summary: 'An operation and its log',
    answer: operationLogAnswer,
  },
  operationEvents: {
    method: 'GET',
    path: '/operations/:operation/events',
    scope: 'read',
    summary: 'Follow an operation; Last-Event-ID goes on where a connection broke. 204 when there is nothing more',
    answer: logEntry,
    stream: 'events',
  },
  cancel: {
    method: 'POST',
    path: '/operations/:operation/cancel',
    scope: 'operate',
    summary: 'Cancel an operation',
    answer: operationAnswer,
    status: 202,
  },
  events: {
    method: 'GET',
    path: '/events',
    scope: 'read',
    summary: 'Follow all operations: an `operation` event for each change of one',
    answer: logEntry,
    stream: 'events',
  },

  query: {
    method: 'POST',
    path: '/query',
    scope: 'operate',
    summary: 'SQL on a backup, in place; ending the request cancels it',
    body: queryRequest,
    answer: queryLine,
    stream: 'lines',
  },

  schedule: { method: 'GET', path: '/schedule', scope: 'read', summary: 'What comes next', answer: scheduleAnswer },
  pause: {
    method: 'POST',
    path: '/schedule/pause',
    scope: 'operate',
    summary: 'Start nothing by schedule',
    answer: scheduleAnswer,
  },
  resume: {
    method: 'POST',
    path: '/schedule/resume',
    scope: 'operate',
    summary: 'Go on with the schedule',
    answer: scheduleAnswer,
  },

  repository: {
    method: 'GET',
    path: '/repository',
    scope: 'read',
    summary: 'What the repository holds',
    answer: repositoryAnswer,
  },
  doctor: {
    method: 'POST',
    path: '/doctor',
    scope: 'operate',
    summary: 'Look at everything that a backup needs',
    answer: doctorAnswer,
  },
  config: {
    method: 'GET',
    path: '/config',
    scope: 'read',
    summary: 'The configuration in force, with origins',
    answer: configAnswer,
  },
  audit: {
    method: 'GET',
    path: '/audit',
    scope: 'admin',
    summary: 'Who changed what',
    query: auditQuery,
    answer: auditAnswer,
  },
} as const satisfies Readonly<Record<string, Route>>

export type RouteName = keyof typeof ROUTES
type RouteOf<K extends RouteName> = (typeof ROUTES)[K]

/** What a handler is given. */
export type QueryOf<K extends RouteName> = RouteOf<K> extends { readonly query: z.ZodType<infer T> } ? T : undefined
export type BodyOf<K extends RouteName> = RouteOf<K> extends { readonly body: z.ZodType<infer T> } ? T : undefined
/** What it answers; streams answer with a stream of these. */
export type AnswerOf<K extends RouteName> = z.input<RouteOf<K>['answer']>
