import type { RestoreJournal } from '../restore/server/journals.ts'

/** One side's journal of a migration; `gone`: the config does not know the host any more. */
export type SideJournal = RestoreJournal | 'absent' | 'unreachable' | 'gone'

/** What settles a migration. */
export type Verdict =
  | { readonly action: 'nothing' }
  /** FROM was given up: TO serves, and its journal is closed. */
  | { readonly action: 'finish' }
  | { readonly action: 'undo'; readonly to: boolean; readonly from: boolean; readonly warning?: string }
  /** `back`: only a migration the other way moves it back. */
  | { readonly action: 'refuse'; readonly why: string; readonly back?: true }

/**
 * How a migration is settled by its two journals (docs/decisions/0007-migration-protocol.md): FROM's journal alone says
 * which server serves. Pure. The host that the person named can be reached, so at most one side can't.
 */
export function verdict(from: SideJournal, to: SideJournal): Verdict {
  if (from === 'unreachable' || from === 'gone') return withoutFrom(from, to)
  const givenUp = isJournal(from) && from.how === 'done'
  if (isJournal(to)) {
    if (givenUp) {
      if (to.state === 'kept') return { action: 'finish' }
      if (to.how === 'done' && to.discarded) {
        return {
          action: 'refuse',
          why: 'what the new server had before was removed for good (--discard), so it goes on serving',
          back: true,
        }
      }
      return { action: 'undo', to: isOpen(to) || to.how === 'done', from: true }
    }
    if (!isOpen(to) && !isOpen(from)) return { action: 'nothing' }
    return { action: 'undo', to: isOpen(to), from: isOpen(from) }
  }
  if (!givenUp && !isOpen(from)) return { action: 'nothing' }
  const warning =
    to === 'absent'
      ? givenUp
        ? 'the new server has no journal of it any more: see to it that the app does not run there'
        : undefined
      : 'the new server can not be asked: see to it that the app does not run there'
  return { action: 'undo', to: false, from: true, ...(warning === undefined ? {} : { warning }) }
}

function withoutFrom(from: 'unreachable' | 'gone', to: SideJournal): Verdict {
  if (!isJournal(to)) return { action: 'nothing' }
  if (to.state === 'kept') {
    if (from === 'gone') return { action: 'finish' }
    return {
      action: 'refuse',
      why: 'whether the old server was given up is not known, so this one goes on serving',
    }
  }
  if (to.how === 'done') return { action: 'refuse', why: 'without the old server nobody would serve' }
  if (!isOpen(to)) return { action: 'nothing' }
  return {
    action: 'undo',
    to: true,
    from: false,
    warning: 'the old server can not be asked: see that it serves',
  }
}

function isJournal(side: SideJournal): side is RestoreJournal {
  return typeof side !== 'string'
}

function isOpen(side: SideJournal): boolean {
  return isJournal(side) && side.state !== 'closed'
}
