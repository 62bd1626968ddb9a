import tseslint from 'typescript-eslint'

// Which folder may import from which (docs/source-code.md): main → cli → commands → operations → contracts →
// model, errors, assets. A folder not listed for a folder is forbidden to it. Operations see adapters only through
// their contract.ts, and the pure modules that are named below.
const adapters = [
  'remote',
  'archive',
  'crypto',
  'vault',
  'secrets',
  'config',
  'services',
  'sources',
  'state',
  'timers',
]
const contracts = adapters.map((name) => `${name}/contract`).concat('report/contract')
// What a kind of source says of itself; nobody else imports from a kind's folder.
const kinds = ['sources/kind', 'sources/registry', 'sources/held-bytes', 'sources/health']
// Functions of data alone, which an operation imports from the adapter that has them.
const pure = [
  'report/format',
  'vault/resolve-snapshot',
  'report/rollback-summary',
  'services/compose-project',
  'sources/tree/roots',
  ...[
    'assemble-tree',
    'compression',
    'index-entry',
    'index-file',
    'pack-tar',
    'tar-writer',
    'walk-tar',
    'wrap-in-tar',
  ].map((name) => `archive/${name}`),
]
// Functions that work on a server through nothing but its RemoteHost: a test gives them another host, not a stand-in.
const throughHost = [
  'compose-needs',
  'container-make',
  'container-services',
  'deployment-services',
  'health',
  'quiesce',
  'settle-quiesced',
  'source-container',
  'versions',
  'volume',
]
  .map((name) => `services/${name}`)
  .concat('remote/deployment-lock')
const operationUses = [...contracts, ...pure, ...throughHost, ...kinds, 'retention']
const allowed = {
  model: [],
  retention: [],
  report: ['report', ...kinds],
  config: ['config', ...kinds],
  secrets: ['secrets'],
  crypto: ['crypto', 'archive/contract'],
  archive: ['archive', 'crypto/contract'],
  vault: ['vault', 'crypto/contract'],
  state: ['state', 'archive/contract'],
  timers: ['timers'],
  remote: ['remote'],
  services: ['services', 'remote/contract', 'secrets/contract'],
  sources: [
    'sources',
    'config/contract',
    'remote/contract',
    'remote/scripts',
    'archive/contract',
    'services/contract',
    'secrets/contract',
    'report/contract',
  ],
  runs: ['runs', ...operationUses],
  prune: ['prune', 'runs', ...operationUses],
  pull: ['pull', 'prune', 'runs', ...operationUses],
  check: ['check', 'pull', 'runs', 'status', ...operationUses],
  verify: ['verify', 'runs', ...operationUses],
  rekey: ['rekey', 'runs', ...operationUses],
  clean: ['clean', 'look', 'pull', 'restore', 'runs', ...operationUses],
  restore: ['restore', 'pull', 'runs', ...operationUses],
  migrate: ['migrate', 'pull', 'restore', 'runs', ...operationUses],
  rollback: ['rollback', 'migrate', 'pull', 'restore', 'runs', ...operationUses],
  look: ['look', 'restore', ...operationUses],
  show: ['show', 'verify', ...operationUses],
  status: ['status', ...operationUses],
  usage: ['usage', 'pull', 'runs', 'status', ...operationUses],
  notify: ['notify', 'runs', ...operationUses],
  init: ['init', ...operationUses],
  schedule: ['schedule', ...operationUses],
  demo: ['demo', 'remote'],
}

// The package that does a job stays in the folder that owns the job.
const owned = {
  ssh2: ['remote'],
  openpgp: ['crypto'],
  tar: ['archive'],
  listr2: ['report'],
  pino: ['report'],
  '@napi-rs/keyring': ['secrets'],
  yaml: ['config', 'init', 'services'],
  'qrcode-generator': ['init'],
  croner: ['schedule'],
  'fs-native-extensions': ['vault'],
  nodemailer: ['notify'],
  'p-retry': ['notify'],
}

const folders = [...new Set([...Object.keys(allowed), ...adapters, 'commands', 'cli'])]

/** How deep a file may lie in its folder: `sources/redis/talk/tls.ts` is at depth 3. */
const DEPTHS = [1, 2, 3, 4]

const rules = folders.flatMap((folder) => DEPTHS.map((depth) => rule(folder, depth)))

function rule(folder, depth) {
  const packages = Object.entries(owned)
    .filter(([, owners]) => !owners.includes(folder))
    .map(([name]) => ({
      name,
      message: `${name} belongs to ${owned[name].join(', ')} (docs/source-code.md).`,
    }))
  const uses = allowed[folder]
  const inside = [folder, 'model', ...(uses ?? [])].map((name) => name.replace('/', '\\/'))
  const patterns =
    uses === undefined
      ? [
          {
            regex: `\\/(${folder === 'commands' ? 'cli|main' : 'main'})|\\/sources\\/[^/]+\\/`,
            message: 'Imports point inwards (docs/source-code.md).',
          },
        ]
      : [
          {
            regex: `^(\\.\\.\\/){${depth}}(?!(${inside.join('|')})(\\/|\\.ts$)|(assets|errors)\\.ts$)(${[...folders].join('|')})\\/`,
            message: `${folder}/ may import only from: ${[folder, 'model', 'errors', 'assets', ...uses].join(', ')}.`,
          },
        ]
  return {
    files: [`src/${folder}/${'*/'.repeat(depth - 1)}*.ts`],
    rules: { 'no-restricted-imports': ['error', { paths: packages, patterns }] },
  }
}

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      // Without the await, what `await using` holds is disposed before the work is done.
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-control-regex': 'off',
      eqeqeq: 'error',
    },
  },
  ...rules,
)
