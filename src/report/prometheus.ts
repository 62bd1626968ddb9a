import type { HostStatus, StatusReport } from '../model/status-report.ts'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [Labels, number]

/** A metric family. `docs/design/operate.md` has the same names. */
interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly samples: (report: StatusReport) => readonly Sample[]
}

const seconds = (iso: string) => Date.parse(iso) / 1000

/** One sample a host, where it has the value. */
const perHost =
  (value: (status: HostStatus) => number | undefined) =>
  ({ hosts }: StatusReport): Sample[] =>
    hosts.flatMap((status) => {
      const found = value(status)
      return found === undefined ? [] : [[{ host: status.host }, found] as const]
    })

const has = (code: string) => (status: HostStatus) =>
  status.troubles.some((trouble) => trouble.code === code) ? 1 : 0

const FAMILIES: readonly Family[] = [
  {
    name: 'last_good_timestamp_seconds',
    help: 'When the newest complete backup that is not known to be damaged was made.',
    type: 'gauge',
    samples: perHost(({ lastGood }) => lastGood && seconds(lastGood.createdAt)),
  },
  {
    name: 'last_pull_timestamp_seconds',
    help: 'When the last pull of all of the host ended, however it ended.',
    type: 'gauge',
    samples: perHost(({ lastPull }) => lastPull && seconds(lastPull.finishedAt)),
  },
  {
    name: 'last_pull_success',
    help: '1 when the last pull made a complete backup, else 0.',
    type: 'gauge',
    samples: perHost(({ lastPull }) => lastPull && (lastPull.outcome === 'done' ? 1 : 0)),
  },
  {
    name: 'last_pull_duration_seconds',
    help: 'How long the last pull took.',
    type: 'gauge',
    samples: perHost(({ lastPull }) => lastPull?.seconds),
  },
  {
    name: 'failures_in_a_row',
    help: 'Pulls since the last good one that came to less.',
    type: 'gauge',
    samples: perHost(({ failuresInARow }) => failuresInARow),
  },
  {
    name: 'last_verify_timestamp_seconds',
    help: 'When the last verification ended that found all as recorded.',
    type: 'gauge',
    samples: perHost(({ lastVerified }) => (lastVerified === undefined ? undefined : seconds(lastVerified))),
  },
  {
    name: 'overdue',
    help: '1 when the last good backup is older than alerts.overdueAfter, or there is none.',
    type: 'gauge',
    samples: perHost((status) => Math.max(has('overdue')(status), has('never')(status))),
  },
  {
    name: 'needs_attention',
    help: '1 when `relay-backup status` names something that needs a person.',
    type: 'gauge',
    samples: perHost(({ troubles }) => (troubles.length === 0 ? 0 : 1)),
  },
  {
    name: 'size_bytes',
    help: 'What the sources of the newest complete backup held.',
    type: 'gauge',
    samples: perHost(({ size }) => size),
  },
  {
    name: 'vault_bytes',
    help: 'What the snapshots of the host take in the vault.',
    type: 'gauge',
    samples: perHost(({ storedBytes }) => storedBytes),
  },
  {
    name: 'snapshots',
    help: 'Snapshots in the vault.',
    type: 'gauge',
    samples: perHost(({ snapshots }) => snapshots),
  },
  {
    name: 'runs_total',
    help: 'Runs since the history began, by operation and outcome.',
    type: 'counter',
    samples: ({ hosts }) =>
      hosts.flatMap(({ host, runs }) =>
        runs.map(({ operation, outcome, count }) => [{ host, operation, outcome }, count] as const),
      ),
  },
  {
    name: 'vault_disk_used_ratio',
    help: "The used part of the vault's file system, from 0 to 1.",
    type: 'gauge',
    samples: ({ disk }) => (disk === undefined ? [] : [[{}, disk.used]]),
  },
  {
    name: 'vault_disk_free_bytes',
    help: "What is free on the vault's file system.",
    type: 'gauge',
    samples: ({ disk }) => (disk === undefined ? [] : [[{}, disk.free]]),
  },
  {
    name: 'status_timestamp_seconds',
    help: 'When these numbers were written.',
    type: 'gauge',
    samples: ({ at }) => [[{}, seconds(at)]],
  },
]

/**
 * The status in the text format of Prometheus, as the textfile collector of node_exporter reads it
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Ends with a line break.
 */
export function renderPrometheus(report: StatusReport): string {
  return FAMILIES.flatMap(({ name, help, type, samples }) => {
    const found = samples(report)
    if (found.length === 0) return []
    const metric = `relay_backup_${name}`
    return [
      `# HELP ${metric} ${help}`,
      `# TYPE ${metric} ${type}`,
      ...found.map(([labels, value]) => `${metric}${labelText(labels)} ${value}`),
    ]
  })
    .map((line) => `${line}\n`)
    .join('')
}

/** Backslashes, quotes and line breaks of a value are escaped. */
function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`,
  )
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}
