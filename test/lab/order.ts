import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take longest, in seconds beside two others on two cores. */
const SECONDS: Readonly<Record<string, number>> = {
  'test/e2e/compose-migrate.test.ts': 300,
  'test/e2e/compose-which.test.ts': 120,
  'test/integration/redis-container.test.ts': 110,
  'test/integration/quiesce-services.test.ts': 100,
  'test/e2e/migrate-chaos.test.ts': 100,
  'test/e2e/helper-restore.test.ts': 90,
  'test/e2e/incremental.test.ts': 90,
  'test/e2e/compose-plugin.test.ts': 90,
  'test/integration/docker-services.test.ts': 80,
  'test/e2e/docker-bad-input.test.ts': 75,
  'test/e2e/compose-persistence.test.ts': 75,
  'test/e2e/compose-restore.test.ts': 75,
  'test/e2e/migrate.test.ts': 75,
  'test/e2e/restore-chaos.test.ts': 75,
  'test/e2e/quiesce.test.ts': 65,
  'test/e2e/restore-bad-input.test.ts': 60,
}

/**
 * Starts the slowest files first, so that no core waits for one of them at the end. Vitest itself knows how long files
 * take only on a machine where they have run before.
 */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const group = (file: TestSpecification): number => file.project.config.sequence.groupOrder
    const seconds = (file: TestSpecification): number =>
      SECONDS[relative(this.ctx.config.root, file.moduleId)] ?? 0
    return sorted.sort((a, b) => group(a) - group(b) || seconds(b) - seconds(a))
  }
}
