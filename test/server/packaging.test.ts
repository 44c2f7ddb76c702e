import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments, parseDocument } from 'yaml'
import { configSchema } from '../../src/config/schema.ts'
import { createMetrics } from '../../src/server/metrics.ts'
import { notCovered } from '../helpers/not-covered.ts'

const packaging = fileURLToPath(new URL('../../packaging', import.meta.url))
const read = (file: string) => readFileSync(join(packaging, file), 'utf8')

describe('what is packaged', () => {
  it.each(['prometheus/alerts.yaml', 'grafana/permafrost.json'])('%s asks for metrics that there are', async (file) => {
    const known = new Set(
      (await createMetrics('test', () => ({})).text()).match(/^# TYPE \w+/gm)?.map((line) => line.slice(7)),
    )
    const asked = [...new Set(read(file).match(/permafrost_[a-z_]+/g))]
    expect(asked.length).toBeGreaterThan(8)
    expect(asked.filter((name) => !known.has(name))).toEqual([])
  })

  it('Kubernetes manifests are YAML, and the configuration in them is one', () => {
    for (const file of ['kubernetes/sidecar.yaml', 'kubernetes/cronjob.yaml'])
      for (const document of parseAllDocuments(read(file))) expect(document.errors).toEqual([])
    const [map] = parseAllDocuments(read('kubernetes/sidecar.yaml'))
    const value = map?.toJS() as { readonly data?: Record<string, string> } | undefined
    expect(configSchema.safeParse(parseDocument(value?.data?.['config.yaml'] ?? '[]').toJS())).toMatchObject({
      success: true,
    })
  })

  it('the Dockerfile is made of instructions that Docker knows, and copies what there is', () => {
    const root = join(packaging, '..')
    const lines = read('docker/Dockerfile')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    const known = new Set(['FROM', 'WORKDIR', 'COPY', 'RUN', 'USER', 'ENV', 'ENTRYPOINT', 'CMD'])
    expect(lines.filter((line) => !known.has(line.split(' ')[0] ?? ''))).toEqual([])
    const copied = lines.flatMap((line) => (line.startsWith('COPY') ? line.split(' ').slice(1, -1) : []))
    const here = copied
      .filter((source) => !source.startsWith('--'))
      .map((source) => source.replace(/^\/app/, '.'))
      .filter((source) => !existsSync(join(root, source)))
    expect(copied.length).toBeGreaterThan(5)
    expect(here).toEqual([])
    for (const line of lines.filter((one) => /^(ENTRYPOINT|CMD)/.test(one)))
      expect(JSON.parse(line.slice(line.indexOf('['))) as unknown).toBeInstanceOf(Array)
  })

  it('the systemd unit is one that systemd takes', () => {
    const { error, stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', join(packaging, 'systemd/permafrost.service')],
      {
        encoding: 'utf8',
      },
    )
    const said = error
      ? notCovered('systemd is not installed: the unit is only read')
      : `${stdout}${stderr}`
          .split('\n')
          .filter((line) => line.includes('permafrost.service') && !/is not executable|not found/.test(line))
          .join('\n')
    expect(said ?? '').toBe('')
    expect(read('systemd/permafrost.service')).toMatch(/^Type=notify$/m)
  })
})
