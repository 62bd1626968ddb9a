import { defineConfig } from 'vitest/config'

// Unit tests are pure and run in parallel. Integration and end-to-end tests start real servers, so their
// files run one after another; the global set-up installs what they need.
// On a CI machine, shared and of unknown speed, a test of real processes may try once more; locally a test that
// fails now and then is to be seen.
const retry = process.env['CI'] ? 1 : 0

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/lab/install.ts'],
          retry,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/lab/install.ts'],
          retry,
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
