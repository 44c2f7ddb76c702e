import type { RetentionPolicy } from '../core/retention.ts'
import type { Config } from './schema.ts'

/** What the configuration keeps. */
export function retentionPolicy({ retention }: Pick<Config, 'retention'>): RetentionPolicy {
  return {
    last: retention['keep-last'],
    hourly: retention['keep-hourly'],
    daily: retention['keep-daily'],
    weekly: retention['keep-weekly'],
    monthly: retention['keep-monthly'],
    yearly: retention['keep-yearly'],
    within: retention['keep-within'],
    tags: retention['keep-tag'],
  }
}
