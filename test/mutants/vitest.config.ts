import { defineConfig } from 'vitest/config'

// The unit project alone, for StrykerJS, which runs it in threads.
export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts'],
    // They fill the stack, and a thread's is another.
    exclude: ['test/unit/config/endless.test.ts'],
    globalSetup: ['test/lab/set-up.ts'],
    setupFiles: ['test/mutants/in-threads.ts'],
    testTimeout: 60_000,
  },
})
