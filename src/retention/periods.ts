const DAY = 86_400_000

/** UTC calendar periods a snapshot falls into, as texts that people know: `2025-11-18`, `2025-W47`, `2025-11`, `2025`. */
export const PERIODS = {
  daily: (time: Date) => time.toISOString().slice(0, 10),
  weekly: isoWeek,
  monthly: (time: Date) => time.toISOString().slice(0, 7),
  yearly: (time: Date) => time.toISOString().slice(0, 4),
} as const

/** ISO 8601: weeks begin on Monday and belong to the year that has their Thursday. */
function isoWeek(time: Date): string {
  const midnight = Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate())
  const thursday = new Date(midnight + (3 - ((time.getUTCDay() + 6) % 7)) * DAY)
  const year = thursday.getUTCFullYear()
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY)) + 1
  return `${year}-W${String(week).padStart(2, '0')}`
}
