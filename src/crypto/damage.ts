import { DamageError } from '../errors.ts'

/** How a message was damaged: `mdc`: its content was changed; `truncated`: it was cut; `malformed`: anything else. */
export type MessageDamage = 'mdc' | 'truncated' | 'malformed'

const WORDS: Readonly<Record<MessageDamage, string>> = {
  mdc: 'its content was changed',
  truncated: 'it was cut off',
  malformed: 'its structure is wrong',
}

export function messageDamage(
  damage: MessageDamage,
  what: string = WORDS[damage],
  cause?: unknown,
): DamageError {
  return new DamageError(`message-${damage}`, `The encrypted archive is damaged: ${what}`, {
    next: 'Check the vault: relay-backup verify; then use another snapshot or another copy of it',
    cause,
  })
}
