import { defineConfig } from 'vitest/config'

// The unit project alone, for StrykerJS: it knows no projects.
export default defineConfig({ test: { include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 } })
