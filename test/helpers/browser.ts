import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import type { BrowserContext, Page } from 'playwright-core'
import { notCovered } from './not-covered.ts'

const CHROMIUM = '/usr/bin/chromium'

/** Whether this machine has Debian's Chromium. */
export const hasChromium = ((): boolean => {
  const found = existsSync(CHROMIUM)
  if (!found && process.env['CI'])
    throw new Error('.ci/run installs chromium: without it CI does not cover the console')
  if (!found) notCovered('the console in a browser (apt-get install chromium)')
  return found
})()

const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface TestBrowser extends AsyncDisposable {
  /** A browser of its own: no cookie of another. */
  person(options?: { readonly colorScheme?: 'light' | 'dark' }): Promise<Person>
}

/** Somebody who looks at the console. */
export interface Person extends AsyncDisposable {
  readonly context: BrowserContext
  readonly page: Page
  /** What the console of the browser complained of since the last call, and nobody expected. */
  complaints(): readonly string[]
  /** From now on this is no reason to complain. */
  expects(complaint: RegExp): void
  /** What axe finds on the page, a line each. */
  barriers(): Promise<readonly string[]>
}

export async function testBrowser(): Promise<TestBrowser> {
  const profile = mkdtempSync(join(tmpdir(), 'permafrost-chromium-'))
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...ARGUMENTS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), `--crash-dumps-dir=${profile}`],
  })
  return {
    person: async ({ colorScheme = 'light' } = {}) => {
      const context = await browser.newContext({
        colorScheme,
        viewport: { width: 1240, height: 800 },
        timezoneId: 'UTC',
        permissions: ['clipboard-read', 'clipboard-write'],
      })
      context.setDefaultTimeout(30_000)
      // Before the page's own scripts, and so beside its policy, which allows none but its own.
      await context.addInitScript({ content: axe.source })
      return personOf(context, await context.newPage())
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close()
      rmSync(profile, { recursive: true, force: true })
    },
  }
}

function personOf(context: BrowserContext, page: Page): Person {
  const heard: string[] = []
  const expected: RegExp[] = []
  const listen = (one: Page): void => {
    one.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        heard.push(`${message.text()} ${message.location().url}`)
    })
    one.on('pageerror', (error) => heard.push(error.message))
  }
  listen(page)
  context.on('page', listen)
  return {
    context,
    page,
    complaints: () => heard.splice(0).filter((text) => !expected.some((pattern) => pattern.test(text))),
    expects: (complaint) => void expected.push(complaint),
    barriers: async () => {
      const found = await page.evaluate<axe.AxeResults>('axe.run()')
      return found.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
      )
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}
