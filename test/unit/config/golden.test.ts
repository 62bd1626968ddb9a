import { expect, test } from 'vitest'
import { ConfigError } from '../../../src/errors.ts'
import { errorToJson, renderError } from '../../../src/report/render-error.ts'
import { parse } from './fixture.ts'

const BROKEN = `version: 1
vualt: ~/backups
encryption:
  passphrase: hunter2
hosts:
  Prod:
    ssh: { host: relay, pasword: { env: PW } }
    deployment: ../app
    sources:
      redis: { kind: redis, path: redis_data, service: redis }
      logs: { kind: file, path: logs }
`

function failure(): ConfigError {
  try {
    parse(BROKEN)
  } catch (error) {
    if (error instanceof ConfigError) return error
  }
  throw new Error('the config was accepted')
}

test('all problems are shown at once, in the order of the file, each with its line and what to do', () => {
  expect(renderError(failure(), { color: false })).toBe(`error: The config has 8 problems
  /etc/rb/hosts.yaml:1:1: vault: is required
  /etc/rb/hosts.yaml:2:1: vualt: unknown key
    Did you mean "vault"?
  /etc/rb/hosts.yaml:4:15: encryption.passphrase: never write a secret into this file; say where it is to be found
    Write { keychain: service/account }, { env: NAME }, { file: PATH } or { command: "pass show x" }
  /etc/rb/hosts.yaml:6:3: hosts.Prod: names are 1 to 64 lower-case letters, digits, _ and -, and begin with a letter or digit
    Call it "prod"
  /etc/rb/hosts.yaml:7:25: hosts.Prod.ssh.pasword: unknown key
    Did you mean "password"?
  /etc/rb/hosts.yaml:8:17: hosts.Prod.deployment: must be absolute or begin with ~/
  /etc/rb/hosts.yaml:10:47: hosts.Prod.sources.redis.service: is a Compose service, but services.manager is not compose
    Set \`services: { manager: compose }\`, or use container or address
  /etc/rb/hosts.yaml:11:21: hosts.Prod.sources.logs.kind: unknown kind
    Did you mean "files"? Known: files, mysql, postgres, redis, sqlite, volume
Next: Fix the lines above, then run: relay-backup config check
`)
})

test('the same for programs', () => {
  const { error } = errorToJson(failure())
  expect(error).toMatchObject({ code: 'config' })
  expect(error['problems']).toContainEqual({
    file: '/etc/rb/hosts.yaml',
    line: 2,
    column: 1,
    path: 'vualt',
    message: 'unknown key',
    suggestion: 'Did you mean "vault"?',
  })
})
