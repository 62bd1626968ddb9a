import type { Reporter } from '../report/contract.ts'

/** Tells a step of a run on a host, and returns when that was, for the run's report. */
export function tellStep(
  { now, reporter }: { readonly now: () => Date; readonly reporter: Reporter },
  host: string,
  step: string,
): string {
  reporter.event({ type: 'host-step', host, step })
  return now().toISOString()
}
