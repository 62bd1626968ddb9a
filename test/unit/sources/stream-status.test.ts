import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { failedStage, parseStreamStatus, streamNonce } from '../../../src/sources/stream-status.ts'

const library = new URL('../../../src/remote/scripts/lib/pipeline.sh', import.meta.url).pathname

function run(shell: readonly string[], body: string): { stdout: string; stderr: string } {
  const [file = 'sh', ...args] = shell
  const result = spawnSync(file, [...args, '-c', `set -eu\n. "${library}"\n${body}`], { encoding: 'utf8' })
  return { stdout: result.stdout, stderr: result.stderr }
}

const shells: [string, ...string[]][] = [['dash'], ['busybox', 'sh']]

describe.each(shells)('pipeline.sh under %s', (...shell) => {
  it('reports every stage and passes the data on', () => {
    const { stdout, stderr } = run(
      shell,
      `first() { echo data; echo oops >&2; return 2; }
       { statuses=$({ stage one first | stage two cat >&4; } 3>&1); } 4>&1
       report_status n1 $statuses`,
    )
    expect(stdout).toBe('data\n')
    const status = parseStreamStatus(stderr, 'n1')
    expect(Object.fromEntries(status?.statuses ?? [])).toEqual({ one: 2, two: 0 })
    expect(status?.messages).toContain('oops')
  })

  it('tells a producer cut off by its consumer from one that failed', () => {
    const { stderr } = run(
      shell,
      `forever() { while :; do echo data; done; }
       broken() { read -r line; return 1; }
       { statuses=$({ stage tar cat /dev/zero | stage zstd broken </dev/null >&4; } 3>&1); } 4>&1
       report_status n1 $statuses`,
    )
    const status = parseStreamStatus(stderr, 'n1')
    expect(status?.statuses.get('tar')).toBe(141)
    expect(status && failedStage(status, ['tar', 'zstd'])).toEqual({ stage: 'zstd', status: 1 })
  })

  it.each(['zstd', 'gzip', 'none'])('compresses with %s', (tool) => {
    const undo = tool === 'none' ? 'cat' : `${tool} -dc`
    const { stdout } = run(shell, `printf payload | compress ${tool} 3 1 | ${undo}`)
    expect(stdout).toBe('payload')
  })
})

describe('parseStreamStatus', () => {
  const nonce = streamNonce()
  const line = `relay-backup:${nonce}:status tar=0 zstd=0\n`

  it('keeps what the stages said', () => {
    expect(parseStreamStatus(`tar: a\n${line}`, nonce)?.messages).toBe('tar: a\n')
  })

  it('takes no status from a file name that looks like one', () => {
    const forged = `tar: relay-backup:${'0'.repeat(32)}:status tar=0 zstd=0\n`
    expect(parseStreamStatus(forged, nonce)).toBeUndefined()
    const status = parseStreamStatus(`${forged}relay-backup:${nonce}:status tar=2 zstd=0\n`, nonce)
    expect(status?.statuses.get('tar')).toBe(2)
  })

  it('is undefined when the line is missing, cut or malformed', () => {
    expect(parseStreamStatus('', nonce)).toBeUndefined()
    expect(parseStreamStatus(line.slice(0, -1), nonce)).toBeUndefined()
    expect(parseStreamStatus(`relay-backup:${nonce}:status tar\n`, nonce)).toBeUndefined()
    expect(parseStreamStatus(`relay-backup:${nonce}:status \n`, nonce)).toBeUndefined()
  })

  it('counts a stage that was not reported as failed', () => {
    const status = parseStreamStatus(line, nonce)
    expect(status && failedStage(status, ['tar', 'zstd'])).toBeUndefined()
    expect(status && failedStage(status, ['find', 'tar', 'zstd'])).toEqual({ stage: 'find', status: 255 })
  })
})

it('takes no status line that is cut, wherever: a cut number is another number', () => {
  const line = 'relay-backup:n1:status tar=141 zstd=12\n'
  expect(parseStreamStatus(line, 'n1')?.statuses.get('zstd')).toBe(12)
  for (let length = 0; length < line.length; length += 1) {
    expect(parseStreamStatus(line.slice(0, length), 'n1')).toBeUndefined()
  }
})
