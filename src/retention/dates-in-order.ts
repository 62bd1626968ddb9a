/**
 * The dates of snapshots as their order says they must be. `dates` come in the order the snapshots were made. Where a
 * clock was wrong for a while, as few dates as possible are taken for wrong. A snapshot with a wrong date counts as
 * made right behind the one before it whose date is right. Otherwise a snapshot dated ahead would count as the newest
 * of all once its date has come. Dates in the future stay as they are, because no snapshot counts before its date.
 */
export function datesInOrder(dates: readonly Date[], now: Date): Date[] {
  const times = dates.map((date) => date.getTime())
  const past = times.map((_, at) => at).filter((at) => (times[at] ?? 0) <= now.getTime())
  const right = longestRise(past, times)
  if (right.size === past.length) return [...dates]
  const result = [...dates]
  let last = Math.min(...past.filter((at) => right.has(at)).map((at) => times[at] ?? 0)) - past.length
  for (const at of past) {
    // A millisecond each keeps the order; ids are whole seconds.
    last = right.has(at) ? Math.max(times[at] ?? 0, last) : last + 1
    result[at] = new Date(last)
  }
  return result
}

/** The longest of the subsequences of `places` in which the values never fall. */
function longestRise(places: readonly number[], values: readonly number[]): Set<number> {
  const valueAt = (place: number | undefined): number =>
    place === undefined ? -Infinity : (values[place] ?? 0)
  /** For each length, the place with the lowest value that such a subsequence may end in. */
  const ends: number[] = []
  const before = new Map<number, number | undefined>()
  for (const place of places) {
    let low = 0
    for (let high = ends.length; low < high;) {
      const middle = (low + high) >> 1
      if (valueAt(ends[middle]) <= valueAt(place)) low = middle + 1
      else high = middle
    }
    before.set(place, ends[low - 1])
    ends[low] = place
  }
  const rise = new Set<number>()
  for (let place = ends.at(-1); place !== undefined; place = before.get(place)) rise.add(place)
  return rise
}
