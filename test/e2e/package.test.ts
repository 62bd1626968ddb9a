import { execFile, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdir, open, readFile, symlink } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { writeSingleFile } from '../../scripts/package/single-file.ts'
import { soaking } from '../lab/soak.ts'
import { tempDir } from '../lab/temp.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

/**
 * Runs a command as root of a file system that has this machine's programs but Node: `program` lies at
 * `/usr/local/bin/relay-backup`, the home is empty.
 */
const WITHOUT_NODE = `
set -eu
root=$1 program=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/usr" "$root/etc" "$root/proc" "$root/dev" "$root/tmp" "$root/root" "$root/var" "$root/run"
for link in /bin /sbin /lib /lib64; do cp -P "$link" "$root/"; done
mount --rbind /usr "$root/usr"
mount --rbind /etc "$root/etc"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
chmod 1777 "$root/tmp"
mount -t tmpfs tmpfs "$root/usr/local"
for name in node nodejs npm; do
  if [ -e "$root/usr/bin/$name" ]; then mount --bind /dev/null "$root/usr/bin/$name"; fi
done
mkdir "$root/usr/local/bin"
cp "$program" "$root/usr/local/bin/relay-backup"
chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin LANG=C.UTF-8 \\
  sh -c 'cd /root && ! node --version 2>/dev/null && sh -euc "$1"' sh "$1"
`

const STORY = `
relay-backup --version
relay-backup key generate --no-passphrase >/dev/null
cat >hosts.yaml <<END
version: 1
vault: vault
encryption: { recipients: [keys/backup.pub.asc] }
hosts: { prod: { ssh: a@prod.example.org, deployment: /srv/app, sources: { all: { kind: files, path: data } } } }
END
relay-backup config check
relay-backup config schema | head -n 1
echo '["getPassword","a","b"]' | DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere relay-backup __keychain
echo
relay-backup demo 2>&1
find /root/.cache -perm /077
find . -newer hosts.yaml ! -path './.cache*' -type f
`

test('one file does the whole story on a machine without Node', async () => {
  await using temp = await tempDir('single-')
  const program = join(temp.path, 'relay-backup')
  await writeSingleFile(program, process.arch === 'arm64' ? 'arm64' : 'x64')
  const root = join(temp.path, 'root')
  await mkdir(root)
  const child = spawnSync(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', WITHOUT_NODE, 'sh', root, program, STORY],
    { encoding: 'utf8' },
  )
  expect(child.status, child.stdout + child.stderr).toBe(0)
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  expect(child.stdout).toMatch(new RegExp(`^${version.replaceAll('.', '\\.')}\n`))
  // The keychain's library runs in a process of its own, and says so.
  expect(child.stdout).toMatch(/\n\{"error":"Platform failure: [^\n]*"\}\n/)
  expect(child.stdout).toMatch(/identical\n.*Redis keys: +(\d+) of \1,/)
  expect(child.stdout.slice(child.stdout.indexOf('Redis keys:')).split('\n').slice(1).join('\n')).not.toMatch(
    /^[./]/m,
  )
})

test("npm's tarball holds all that runs, and names all that it needs", async () => {
  await using temp = await tempDir('tarball-')
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', temp.path], { cwd: ROOT })
  const [tarball = ''] = readdirSync(temp.path)
  await run('tar', ['-xzf', tarball], { cwd: temp.path })
  const unpacked = join(temp.path, 'package')
  const files = readdirSync(unpacked, { recursive: true, encoding: 'utf8' })
  expect(files.filter((file) => /\.(map|ts)$|^(src|test|node_modules)\//.test(file))).toEqual([])
  const manifest = JSON.parse(await readFile(join(unpacked, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
    man: string[]
    scripts: Record<string, string>
  }
  expect(manifest.man.filter((page) => !files.includes(page))).toEqual([])
  // npm warns of these on each global installation of a tarball.
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
    expect(manifest.scripts).not.toHaveProperty(name)
  const imported = new Set<string>()
  for (const file of files.filter((name) => /^dist\/[^/]+\.js$/.test(name))) {
    const code = await readFile(join(unpacked, file), 'utf8')
    for (const [, name = ''] of code.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*"([@a-z][\w:@/.-]*)"/g))
      imported.add(name)
  }
  const packages = [...imported]
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name))
    .map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0])
  expect([...new Set(packages)].sort()).toEqual(Object.keys(manifest.dependencies).sort())
  await symlink(join(ROOT, 'node_modules'), join(temp.path, 'node_modules'))
  const bin = join(unpacked, 'bin/relay-backup.js')
  const { stdout } = await run(process.execPath, [bin, 'config', 'schema'])
  expect(stdout).toContain('"$schema"')
})

test.runIf(soaking)('the file for the other architecture is for it, and has the program', async () => {
  await using temp = await tempDir('single-')
  const other = process.arch === 'arm64' ? 'x64' : 'arm64'
  const program = join(temp.path, 'relay-backup')
  await writeSingleFile(program, other)
  await using file = await open(program)
  const { buffer } = await file.read(Buffer.alloc(64), 0, 64, 0)
  expect(buffer.subarray(1, 4).toString()).toBe('ELF')
  expect(buffer.readUInt16LE(18)).toBe(other === 'arm64' ? 183 : 62)
  const bytes = await readFile(program)
  expect(bytes.includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1')).toBe(true)
  expect(bytes.includes('The program ended without an outcome')).toBe(true)
  for (const part of ['fs-native-extensions', 'keyring'])
    expect(bytes.includes(`native/${part}.node`)).toBe(true)
})
