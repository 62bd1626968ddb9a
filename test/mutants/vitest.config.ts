import { defineConfig } from 'vitest/config'

// For StrykerJS, which runs it in threads: the pure folders' own unit tests. What only others notice counts as unnoticed.
export default defineConfig({
  test: {
    include: ['test/unit/{retention,vault,archive,crypto,config,model}/*.test.ts'],
    // They fill the stack, and a thread's is another.
    exclude: ['test/unit/config/endless.test.ts'],
    globalSetup: ['test/lab/set-up.ts'],
    setupFiles: ['test/mutants/in-threads.ts'],
    testTimeout: 60_000,
  },
})
