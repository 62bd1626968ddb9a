import { expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { literalSecret } from '../../../src/config/literal-secret.ts'
import { ConfigError } from '../../../src/errors.ts'

test.each([
  'DB_PASSWORD=hunter2 ./start.sh',
  "export API_KEY='abc'; ./start.sh",
  'env TOKEN=abc ./start',
  './stop --password hunter2',
  './stop --admin-token=abc',
  'redis-cli -h x -a hunter2 shutdown',
  'sshpass -p hunter2 ssh x',
  'mysqladmin -uroot -phunter2 shutdown',
  'curl -u admin:hunter2 http://127.0.0.1/stop',
  'curl -H "Authorization: Bearer abc" http://127.0.0.1/stop',
  'curl http://admin:hunter2@127.0.0.1/stop',
  'app --key ghp_abcdefghijklmnopqrstuvwx',
  'PGPASSWORD=x pg_ctl stop',
  'REDISCLI_AUTH=x redis-cli shutdown',
  'http://127.0.0.1/health?token=abc',
  'curl --user=admin:hunter2 http://127.0.0.1/stop',
  'docker exec db mysqladmin -phunter2 shutdown',
])('%s has a secret in it', (line) => {
  expect(literalSecret(line)).toBeDefined()
})

test.each([
  'cd ~/app && ./stop.sh',
  'DB_PASSWORD=$(cat ~/.db-password) ./start.sh',
  'DB_PASSWORD="$DB_PASSWORD" ./start.sh',
  './stop --password-file /etc/app/password',
  'PASSWORD_FILE=/etc/app/password ./start',
  './stop --token "$TOKEN"',
  './stop --password --force',
  'redis-cli -a "$REDIS" shutdown',
  'curl http://127.0.0.1:3000/stop?force=1',
  'pkill -f my-app -p 12',
  'PASSWORD= ./start',
  'curl http://user:$PASS@127.0.0.1/',
  'systemctl stop mysql && ssh -p22 web ./stop',
  'docker run --name mysql -p3306:3306 mysql',
  'docker compose -p project up -d',
  'sshpass -e ssh -p 22 web ./stop',
  'sshpass -f /etc/web ssh -p 22 web ./stop',
  'curl -f http://127.0.0.1/ready && docker exec -u 1000:1000 app ./stop',
  './stop --private-key /etc/app/key',
  'SMTP_AUTH=login ./start',
  'NO_AUTH=1 ./start',
  'mysqladmin ping -p"$PW"',
  'PGPASSFILE=/etc/pgpass pg_dump app',
])('%s has none', (line) => {
  expect(literalSecret(line)).toBeUndefined()
})

test('a line with a secret is refused wherever the config has one, and the secret is not repeated', () => {
  const text = `version: 1
vault: /v
encryption: { passphrase: { command: 'curl -u me:hunter2 https://x' } }
defaults:
  services: { manager: command, stop: ./stop, start: 'TOKEN=hunter2 ./start' }
hosts:
  prod:
    ssh: a@b
    services: { manager: command, stop: './stop --password hunter2', start: ./start, status: 'PASS_TOKEN=hunter2 x' }
  web:
    ssh: a@c
    services: { manager: none, health: { url: 'http://me:hunter2@127.0.0.1/' } }
`
  let error: unknown
  try {
    parseConfig(text, '/hosts.yaml', {})
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(ConfigError)
  const { problems } = error as ConfigError
  expect(problems.map(({ path }) => path)).toEqual([
    'encryption.passphrase.command',
    'defaults.services.start',
    'hosts.prod.services.stop',
    'hosts.prod.services.status',
    'hosts.web.services.health.url',
  ])
  expect(JSON.stringify(problems)).not.toContain('hunter2')
})

test('a channel with a secret in the place of its reference says where to put it, and repeats nothing', () => {
  const channels = [
    'slack: hunter2',
    'telegram: { token: hunter2, chat: c }',
    'dingtalk: { url: hunter2 }',
    'feishu: { url: hunter2 }',
    'wecom: { url: hunter2 }',
    'mail: { to: a@b.c, from: a@b.c, smtp: { host: h, user: u, password: hunter2 } }',
  ]
  for (const channel of channels) {
    const text = `version: 1
vault: /v
encryption: { recipients: [k.asc] }
notify: [{ ${channel} }]
hosts: { web: { ssh: root@web } }
`
    let said = ''
    try {
      parseConfig(text, '/hosts.yaml', {})
    } catch (error) {
      said = error instanceof ConfigError ? JSON.stringify(error.problems) : String(error)
    }
    expect(said, channel).toContain('never write a secret into this file')
    expect(said).not.toContain('hunter2')
  }
})
