import { randomBytes } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Locator } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { build } from 'vite'
import { freePort } from '../../src/engine/free-port.ts'
import { openRepository } from '../../src/repository/repository.ts'
import { fileStorage } from '../../src/storage/file.ts'
import { startAgentProcess } from '../helpers/agent-process.ts'
import type { AgentProcess } from '../helpers/agent-process.ts'
import { hasChromium, testBrowser } from '../helpers/browser.ts'
import type { Person, TestBrowser } from '../helpers/browser.ts'
import { runCli } from '../helpers/cli.ts'
import { flipByte, restoreByte } from '../helpers/damage.ts'
import { manyBackups } from '../helpers/many-backups.ts'
import { workbench } from '../helpers/workbench.ts'
import type { TestEngine, Workbench } from '../helpers/workbench.ts'

// The console in a real browser, against the agent as a process of its own, a real ClickHouse and a real repository. The
// scenarios are an operator's days, in order: each goes on from what the one before left.

const root = fileURLToPath(new URL('../..', import.meta.url))

let bench: Workbench
let engine: TestEngine
let home: string
let agent: AgentProcess
let browser: TestBrowser
let ana: Person
const tokens: Record<string, string> = {}

const config = () => ['-c', join(home, 'permafrost.yaml')]
const answer = async (...args: readonly string[]): Promise<unknown> => {
  const { code, stdout, stderr } = await runCli([...config(), '--json', ...args])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}
const repository = () => openRepository(fileStorage(join(home, 'repository')), { secret: undefined, purpose: 'write' })

/** As in `getByRole`, on whatever page Ana is. */
const button = (name: string | RegExp): Locator => ana.page.getByRole('button', { name })
const link = (name: string | RegExp): Locator => ana.page.getByRole('link', { name })
const table = (name: string): Locator => ana.page.getByRole('table', { name, exact: true })
const heading = (name: string | RegExp): Locator => ana.page.getByRole('heading', { level: 1, name })
const goTo = (path: string) => ana.page.goto(`${agent.url}/#/${path}`)

/** It is there, or will be in a moment. */
const sees = (locator: Locator): Promise<void> => locator.first().waitFor()

/** The operation at hand has come to this end. */
async function ended(state: string): Promise<void> {
  await sees(ana.page.locator('.state-line').getByText(state, { exact: true }))
}

async function signIn(person: Person, name: string): Promise<void> {
  await person.page.getByLabel('Token').fill(tokens[name] ?? '')
  await person.page.getByRole('button', { name: 'Sign in' }).click()
  await sees(person.page.getByRole('navigation'))
}

/** For the README: `npm run screenshots`. */
async function picture(name: string): Promise<void> {
  if (process.env['PERMAFROST_SCREENSHOTS'])
    await ana.page.screenshot({ path: join(root, 'docs/images', `${name}.png`) })
}

/** `npm ci` has built the console; whoever changed it since need not think of building it again. */
function isStale(): boolean {
  const page = join(root, 'dist/console/index.html')
  const built = existsSync(page) ? statSync(page).mtimeMs : 0
  return globSync(join(root, 'web/**/*.*')).some((file) => statSync(file).mtimeMs > built)
}

async function startAgent(listen: string): Promise<AgentProcess> {
  return startAgentProcess([...config(), 'agent', '--listen', listen])
}

describe.runIf(hasChromium)('the console', () => {
  beforeAll(async () => {
    if (isStale()) await build({ configFile: join(root, 'vite.config.ts'), logLevel: 'warn' })
    bench = await workbench()
    engine = await bench.engine('clickhouse')
    await engine.run(
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id UInt64, month UInt8, note String) ENGINE = MergeTree PARTITION BY month ORDER BY id',
      'INSERT INTO shop.orders SELECT number, number % 3, randomString(200) FROM numbers(600000)',
      'CREATE TABLE shop.customers (id UInt64, name String) ENGINE = ReplacingMergeTree ORDER BY id',
      'INSERT INTO shop.customers SELECT number, toString(number) FROM numbers(10000)',
    )
    home = join(bench.directory, 'home')
    mkdirSync(home)
    writeFileSync(
      join(home, 'permafrost.yaml'),
      JSON.stringify({
        embedded: { path: engine.path },
        repository: { url: `file://${home}/repository` },
        drill: { checks: ['SELECT max(id) < 1000 FROM shop.orders'], scratch: join(home, 'scratch') },
        copy: { to: [`file://${home}/second`] },
        select: { tables: ['shop.*'] },
        schedule: { backup: '0 0 1 1 *', verify: '0 4 * * *' },
        retention: { 'keep-last': 1 },
        agent: { listen: '127.0.0.1:0', tokens: `\${file:${home}/tokens}` },
      }),
    )
    await answer('repo', 'init', '--plain')
    await answer('--repo', `file://${home}/second`, 'repo', 'init', '--plain')
    for (const scope of ['read', 'operate', 'admin']) {
      const made = (await answer('agent', 'token', 'add', scope, '--scope', scope)) as { readonly token: string }
      tokens[scope] = made.token
    }
    agent = await startAgent(`127.0.0.1:${await freePort()}`)
    browser = await testBrowser()
    ana = await browser.person()
  }, 120_000)
  afterEach(async (context) => {
    if (context.task.result?.state === 'fail')
      await ana.page.screenshot({ path: join(tmpdir(), 'permafrost-console-failed.png'), fullPage: true })
    const complaints = ana.complaints()
    if (complaints.length > 0) throw new Error(`the browser complains: ${complaints.join(', ')}`)
  })
  afterAll(async () => {
    await browser[Symbol.asyncDispose]()
    agent.child.kill('SIGKILL')
    await agent.result
    await bench[Symbol.asyncDispose]()
  })

  it('asks for a token, refuses a wrong one, and keeps none where scripts could read it', async () => {
    ana.expects(/401/)
    await goTo('')
    await ana.page.getByLabel('Token').fill('permafrost_wrong')
    await button('Sign in').click()
    await sees(ana.page.getByRole('alert').getByText('this token is not known'))
    expect(await ana.barriers()).toEqual([])
    await signIn(ana, 'admin')
    await sees(ana.page.getByText('The repository holds no backup yet'))
    expect(await ana.page.evaluate('document.cookie + JSON.stringify({...localStorage, ...sessionStorage})')).toBe('{}')
  })

  it('makes a backup that is watched while it is made', async () => {
    await ana.page.evaluate(`
      window.seen = []
      new MutationObserver(() => {
        const bar = document.querySelector('main progress')
        if (bar?.hasAttribute('value') && bar.value !== window.seen.at(-1)) window.seen.push(bar.value)
      }).observe(document.body, { subtree: true, childList: true, attributes: true })
    `)
    await button('Back up now').click()
    await sees(heading('Backup'))
    await ended('ok')
    const seen = await ana.page.evaluate<readonly number[]>('window.seen')
    expect(seen.length).toBeGreaterThan(1)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    await sees(ana.page.getByText(/freezing 2 tables/))
    await link(/Look at backup/).click()
    await sees(heading(/^Backup \d{8}T\d{6}Z/))
    await expect.poll(() => table('Tables').getByRole('row').count()).toBe(3)
  })

  it('tells at a glance how it stands', async () => {
    await link('Backups').click()
    await sees(ana.page.getByText('not overdue'))
    await sees(ana.page.getByText('0 of 1', { exact: true }))
    await sees(table('Backups').getByText('complete'))
    const today = ana.page.getByRole('button', { name: /: backed up, 1 backup$/ })
    await today.click()
    await sees(ana.page.getByText(/1 backup of \d{4}-\d\d-\d\d \(UTC\)/))
    await button('All days').click()
    await ana.page.getByLabel('Filter').fill('nowhere')
    await sees(ana.page.getByText('0 backups'))
    await ana.page.getByLabel('Filter').fill('complete')
    await sees(ana.page.getByText('1 backup', { exact: true }))
  })

  it('goes on when its page is closed, and tells everything to the page that is opened again', async () => {
    await table('Backups').getByRole('link').click()
    await button('Verify').click()
    await sees(heading(/^Verify of/))
    const url = ana.page.url()
    await ana.page.goto('about:blank')
    await ana.page.goto(url)
    await ended('ok')
    expect(await ana.page.locator('.log li').count()).toBeGreaterThan(0)
    await link('Backups').click()
    await sees(ana.page.getByText('1 of 1', { exact: true }))
  })

  it('shows what is new in the next backup, down to its parts', async () => {
    await engine.run(
      'INSERT INTO shop.customers SELECT number, toString(number) FROM numbers(10000, 500)',
      'ALTER TABLE shop.customers ADD COLUMN mail String',
    )
    await button('Back up now').click()
    await ended('ok')
    await link(/Look at backup/).click()
    const changes = ana.page.getByRole('region', { name: 'Changes since the previous backup' })
    await sees(changes.getByText('+500 rows'))
    await sees(changes.getByText('+ mail String'))
    await sees(changes.getByText('1 table did not change'))
    await button('shop.customers').click()
    await ana.page.getByText('Definition').click()
    await sees(ana.page.getByText('CREATE TABLE shop.customers'))
    await table('Partitions of shop.customers').getByRole('button', { name: 'all' }).click()
    await sees(ana.page.getByRole('list', { name: 'Parts of all' }).getByText('500 rows'))
    await picture('backup')
  })

  it('restores beside, after it showed what it would do', async () => {
    await link('Restore …').first().click()
    await button('Choose none').click()
    await ana.page.getByRole('checkbox', { name: /shop\.customers/ }).check()
    await button('Make the plan').click()
    await sees(table('Plan').getByText('make a new table'))
    expect(await table('Plan').getByRole('rowheader').textContent()).toBe('shop.customers_restored')
    await sees(ana.page.getByText(/permafrost restore \S+ -t shop.customers --as shop.customers_restored/))
    expect(await ana.barriers()).toEqual([])
    await button('Restore').click()
    await ended('ok')
    await sees(ana.page.getByText('shop.customers_restored: 10,500 rows'))
    expect(await engine.value('SELECT count() FROM shop.customers_restored')).toBe('10500')
  })

  it('refuses to overwrite, names every conflict, and says what to do', async () => {
    ana.expects(/409/)
    await link(/Back to backup/).click()
    await link('Restore …').first().click()
    await ana.page.getByRole('radio', { name: /Under their own names/ }).check()
    await button('Make the plan').click()
    const alert = ana.page.getByRole('alert')
    await sees(alert.getByText('shop.orders exists already'))
    await sees(alert.getByText(/restore beside it/).first())
    expect(await button('Restore').count()).toBe(0)
  })

  it('replaces a live table only when its name is typed', async () => {
    await engine.run('TRUNCATE TABLE shop.customers')
    await button('Choose none').click()
    await ana.page.getByRole('checkbox', { name: /shop\.customers/ }).check()
    await ana.page.getByRole('radio', { name: /Replace the live tables/ }).check()
    await button('Make the plan').click()
    await sees(table('Plan').getByText('swap it with the live one'))
    expect(await button('Restore').isDisabled()).toBe(true)
    await ana.page.getByLabel(/Type .* to confirm/).fill('shop.customers')
    await button('Restore').click()
    await ended('ok')
    expect(await engine.value('SELECT count() FROM shop.customers')).toBe('10500')
    expect(await engine.value('SELECT count() FROM shop.customers_replaced')).toBe('0')
  })

  it('brings back one partition', async () => {
    await link(/Back to backup/).click()
    await link('Restore …').first().click()
    await button('Choose none').click()
    await button('3 partitions').click()
    await ana.page.getByRole('checkbox', { name: /only 2/ }).check()
    await ana.page.getByLabel(/Database, or/).fill('rescue')
    await button('Make the plan').click()
    await sees(ana.page.getByText('makes the database rescue'))
    await button('Restore').click()
    await ended('ok')
    expect(await engine.value('SELECT count(), uniqExact(month) FROM rescue.orders')).toBe('200000')
  })

  it('answers SQL on a backup without restoring it', async () => {
    await link(/Back to backup/).click()
    await link('Query').click()
    await button('shop.orders').click()
    const editor = ana.page.getByLabel('SQL')
    expect(await editor.inputValue()).toBe('SELECT * FROM shop.orders LIMIT 100')
    await editor.fill(
      'SELECT month, count() AS orders, max(id) AS newest FROM shop.orders GROUP BY month ORDER BY month',
    )
    await editor.press('Control+Enter')
    await sees(table('Rows').getByRole('cell', { name: '599999' }))
    await expect.poll(() => table('Rows').getByRole('row').count()).toBe(4)
    await sees(ana.page.getByText(/fetched from the repository/))
    await picture('query')
    const [download] = await Promise.all([ana.page.waitForEvent('download'), button('Download CSV').click()])
    expect(readFileSync(await download.path(), 'utf8')).toMatch(/^month,orders,newest\r\n0,200000,599997\r\n/)
    await editor.fill('SELECT nothing FROM shop.orders')
    await button('Run').click()
    await sees(
      ana.page
        .getByRole('alert')
        .getByText(/nothing/)
        .first(),
    )
  })

  it('cancels a query that takes too long', async () => {
    await ana.page
      .getByLabel('SQL')
      .fill('SELECT count() FROM shop.orders AS a, shop.orders AS b WHERE a.id < sipHash64(b.note)')
    await button('Run').click()
    await sees(ana.page.getByRole('progressbar', { name: 'The query runs' }))
    await button('Cancel').click()
    await sees(ana.page.getByText('cancelled', { exact: true }))
    expect(await button('Run').isEnabled()).toBe(true)
  })

  it('shows a drill that did not pass, and why, wherever the backup is seen', async () => {
    await link(/Back to the backup/).click()
    const backup = ana.page.url()
    await button('Drill').click()
    await ended('failed')
    await sees(ana.page.getByText('It was done, and the backup did not pass.'))
    await sees(ana.page.getByRole('alert').getByText(/max\(id\) < 1000/))
    await goTo('')
    await sees(ana.page.getByText('not passed'))
    await ana.page.goto(backup)
    await sees(ana.page.getByText('its last drill did not pass'))
    await sees(table('Proofs').getByRole('row', { name: /drill.*1 problem/ }))
    const found = ana.page.getByRole('list', { name: 'The last drill' }).getByRole('listitem')
    await sees(found.filter({ hasText: /failed.*SELECT max\(id\) < 1000/ }))
    await sees(found.filter({ hasText: /restored.*shop\.orders.*600,000 rows/ }))
  })

  it('finds rot in the repository, and says where', async () => {
    const packs = globSync(join(home, 'repository/packs/*/*'))
    const flips = packs.map((pack) => flipByte(pack))
    await button('Verify').click()
    await ended('damaged')
    await sees(ana.page.getByRole('region', { name: 'Findings' }).getByText('shop.customers').first())
    for (const flip of flips) restoreByte(flip)
    await link('Backups').click()
    await sees(table('Backups').getByText('damaged').first())
  })

  it('forgets, takes back, looks ahead, and previews a prune', async () => {
    const first = table('Backups').getByRole('link').last()
    const id = (await first.textContent()) ?? ''
    await first.click()
    await button('Forget').click()
    await ana.page.getByRole('dialog').getByRole('button', { name: 'Forget' }).click()
    await ended('ok')
    await link('Look at what is forgotten').click()
    await button(`Take back ${id}`).click()
    await ended('ok')
    await link('Repository').click()
    await sees(ana.page.getByText('No backup is forgotten.'))
    await button('Look ahead').click()
    await sees(table('Retention').getByRole('row', { name: new RegExp(`${id}.*keep.*newest proven`) }))
    await button('Preview a prune').click()
    await sees(ana.page.getByText(/Nothing to delete/))
    await button('Check everything').click()
    await sees(ana.page.getByRole('list', { name: 'Checks' }).getByText(/ClickHouse \S+ answers/))
    await sees(table('Configuration').getByText('repository.url'))
  })

  it('holds a backup until a day that is chosen, and says why it cannot be forgotten then', async () => {
    await link('Backups').click()
    await table('Backups').getByRole('link').first().click()
    await button('Hold').click()
    const dialog = ana.page.getByRole('dialog')
    await dialog.getByLabel('Until').fill('2020-01-01')
    expect(await dialog.getByRole('button', { name: 'Hold' }).isDisabled()).toBe(true)
    await dialog.getByLabel('Until').fill('2126-12-24')
    expect(await ana.barriers()).toEqual([])
    await dialog.getByRole('button', { name: 'Hold' }).click()
    await ended('ok')
    await sees(ana.page.getByText(/is held until 2126-12-24/))
    await link(/Back to backup/).click()
    await sees(ana.page.getByText(/held until 2126-12-24/))
    await button('Forget').click()
    await dialog.getByRole('button', { name: 'Forget' }).click()
    await ended('failed')
    await sees(ana.page.getByRole('alert').getByText(/is held until 2126-12-24/))
  })

  it('copies to another repository what it lacks', async () => {
    await link('Repository').click()
    await button('See what copies lack').click()
    await sees(table('Copies').getByRole('row', { name: /second.*lacks backups/ }))
    await button('Copy it').click()
    await ended('ok')
    await sees(ana.page.getByText(/backups copied to file:\S+second/))
    await link('Repository').click()
    await button('See what copies lack').click()
    await sees(table('Copies').getByRole('row', { name: /second.*has everything/ }))
  })

  it('pauses the schedule, and keeps the history of everything that was done', async () => {
    await link('Operations').click()
    await button('Pause the schedule').click()
    await sees(ana.page.getByText('The schedule is paused'))
    await button('Resume the schedule').click()
    await sees(button('Pause the schedule'))
    await ana.page.getByLabel('Show').selectOption('restore')
    await expect.poll(() => table('Operations').getByRole('row').count()).toBe(4)
    await ana.page.getByText(/^Audit/).click()
    await sees(table('Audit').getByText('POST /api/v1/operations restore').first())
  })

  it('works with the keyboard alone, and gives the focus back', async () => {
    await goTo('repository')
    await ana.page.reload()
    await sees(heading('Repository'))
    await ana.page.keyboard.press('Tab')
    await ana.page.keyboard.press('Enter')
    expect(await ana.page.evaluate('document.activeElement.textContent')).toBe('Repository')
    await goTo('')
    await table('Backups').getByRole('link').last().focus()
    await ana.page.keyboard.press('Enter')
    await sees(heading(/^Backup \d/))
    expect(await ana.page.evaluate('document.activeElement.tagName')).toBe('H1')
    await button('Hold').focus()
    await ana.page.keyboard.press('Enter')
    await sees(ana.page.getByRole('dialog'))
    await ana.page.keyboard.press('Escape')
    expect(await ana.page.evaluate('document.activeElement.textContent')).toBe('Hold …')
  })

  it.each(['light', 'dark'] as const)(
    'has no barrier that axe knows, on any page, when it is %s',
    async (colorScheme) => {
      await using person = await browser.person({ colorScheme })
      await person.page.goto(agent.url)
      await signIn(person, 'admin')
      const id = ((await answer('list')) as readonly { readonly id: string }[])[0]?.id ?? ''
      const operation = await ana.page.evaluate<string>(
        `fetch('/api/v1/operations').then((answer) => answer.json()).then((answer) => answer.operations[0].id)`,
      )
      const pages = ['', `backups/${id}`, `backups/${id}/restore`, `backups/${id}/query`, 'operations', 'repository']
      for (const path of [...pages, `operations/${operation}`, 'nowhere']) {
        await person.page.goto(`${agent.url}/#/${path}`)
        await sees(person.page.locator('main'))
        await person.page.getByText('Loading …').first().waitFor({ state: 'detached' })
        expect({ path, barriers: await person.barriers() }).toEqual({ path, barriers: [] })
      }
      expect(person.complaints()).toEqual([])
    },
  )

  it('offers to each token what it may, and the agent refuses the rest', async () => {
    await using reader = await browser.person()
    reader.expects(/403/)
    await reader.page.goto(agent.url)
    await signIn(reader, 'read')
    const now = reader.page.getByRole('button', { name: 'Back up now' })
    expect(await now.isDisabled()).toBe(true)
    expect(await now.getAttribute('title')).toBe('Needs a token with the scope operate')
    const status = await reader.page.evaluate(`fetch('/api/v1/operations', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"kind":"backup"}',
    }).then((answer) => answer.status)`)
    expect(status).toBe(403)
    await reader.page.getByRole('button', { name: 'Sign out' }).click()
    await signIn(reader, 'operate')
    const id = ((await answer('list')) as readonly { readonly id: string }[])[0]?.id ?? ''
    await reader.page.goto(`${agent.url}/#/backups/${id}/restore`)
    expect(await reader.page.getByRole('radio', { name: /Replace/ }).isDisabled()).toBe(true)
    await reader.page.goto(`${agent.url}/#/backups/${id}`)
    expect(await reader.page.getByRole('button', { name: 'Forget' }).isDisabled()).toBe(true)
    expect(await reader.page.getByRole('button', { name: 'Verify' }).isEnabled()).toBe(true)
    expect(reader.complaints()).toEqual([])
  })

  it('says that a session has ended, and comes back to the same page after the next sign-in', async () => {
    await goTo('repository')
    await sees(heading('Repository'))
    const file = join(home, 'tokens')
    const before = readFileSync(file, 'utf8')
    const reload = async (text: string): Promise<void> => {
      writeFileSync(file, text)
      const count = () => agent.log().filter(({ message }) => message.includes('read again')).length
      const reloads = count()
      agent.child.kill('SIGHUP')
      await expect.poll(count).toBeGreaterThan(reloads)
    }
    await reload(before.replace(/^admin .*\n/m, ''))
    // The page asks by itself now and then, and may know before we click.
    await button('Preview a prune')
      .click({ timeout: 1000 })
      .catch(() => undefined)
    await sees(ana.page.getByText('Your session has ended'))
    await reload(before)
    await signIn(ana, 'admin')
    await sees(heading('Repository'))
  })

  it('explains what became of an operation when the agent was killed in the middle of it', async () => {
    ana.expects(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET/)
    await engine.run('INSERT INTO shop.orders SELECT number, 9, randomString(200) FROM numbers(600000)')
    await goTo('')
    await button('Back up now').click()
    await sees(ana.page.locator('.log').getByText('store', { exact: true }))
    agent.child.kill('SIGKILL')
    await agent.result
    await sees(ana.page.getByText('The agent does not answer'))
    agent = await startAgent(new URL(agent.url).host)
    await sees(ana.page.getByText('Your session has ended'))
    await signIn(ana, 'admin')
    await ended('interrupted')
    await sees(ana.page.getByText(/it goes on with what is stored/))
    await link('Backups').click()
    await button('Back up now').click()
    await ended('ok')
    await link('Backups').click()
    await sees(ana.page.getByText('3 backups', { exact: true }))
  })

  it('lists ten thousand backups as smoothly as ten', async () => {
    const [, like] = (await answer('list')) as readonly Parameters<typeof manyBackups>[1]['like'][]
    if (!like) throw new Error('there is a backup')
    await manyBackups(await repository(), { like, count: 10_000, random: randomBytes })
    await ana.page.reload()
    await sees(ana.page.getByText('10,003 backups', { exact: true }))
    await picture('backups')
    expect(await table('Backups').getAttribute('aria-rowcount')).toBe('10004')
    expect(await table('Backups').getByRole('row').count()).toBeLessThan(200)
    const oldest = ((await answer('list')) as readonly { readonly id: string }[])[0]?.id ?? ''
    await ana.page.evaluate('scrollTo(0, document.body.scrollHeight)')
    await sees(link(oldest))
    await ana.page.getByLabel('Filter').fill(oldest.slice(0, 15))
    await sees(ana.page.getByText('1 backup', { exact: true }))
    expect(await ana.barriers()).toEqual([])
  }, 120_000)

  it('is small: 40 KiB of script, compressed', () => {
    const files = globSync(join(root, 'dist/console/assets/*.js'))
    const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0)
    expect(files.length).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(40 * 1024)
  })
})
