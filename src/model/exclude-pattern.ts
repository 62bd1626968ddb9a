/** The parts of a pattern that the library, or the shell on a server, would read otherwise than `.gitignore` does. */
const CLASS = /\[(?:[!^]?\]?[^\]]*)\]/g

/** Why a text is no pattern that can be honoured; undefined when it is one. */
export function excludePatternProblem(pattern: string): string | undefined {
  const body = pattern.replace(/^!/, '')
  if (body.trim() === '') return 'matches nothing: it is empty'
  if (pattern.startsWith('#')) return 'is a comment in the syntax of .gitignore: write it \\#…'
  if (/\n/.test(pattern)) return 'must be one line'
  if (body.startsWith('~')) return '~ is no home directory here: write it relative to the path of the source'
  const plain = body.replaceAll(/\\./g, 'x')
  if (plain.endsWith('\\')) return 'ends in a backslash that escapes nothing'
  if (/\{[^{}]*,[^{}]*\}/.test(plain)) return '{…,…} is not known to .gitignore: write a pattern for each'
  const outside = plain.replaceAll(CLASS, 'x')
  if (outside.includes('[')) return 'has a [ without its ]: write \\[ for the character itself'
  if (/\[[!^]?\[?[:.=]/.test(plain))
    return 'classes like [:digit:] are not supported: write the characters, [0-9]'
  if (outside.includes('//') || /^\/*$/.test(outside)) return 'has an empty name between its slashes'
  const names = outside.replace(/^\.\//, '').split('/')
  if (names.some((name) => name === '.' || name === '..')) return 'must not contain . or .. as a name'
  if (names.some((name) => name.includes('**') && name !== '**'))
    return '** stands for whole names only: write * within a name'
  return undefined
}
