/**
 * Quotes one argument for the shell that sshd hands a command to. That is the user's login shell, so the form
 * is one that sh, bash, dash, ash, zsh, ksh, fish and csh all read alike: single quotes, with `'`, `\` (fish
 * takes a backslash inside single quotes) and `!` (csh's history) escaped outside of them. A newline is safe
 * in all of them but csh.
 *
 * Throws RangeError on NUL: no program can get it as an argument.
 */
export function quote(argument: string): string {
  if (argument.includes('\0')) throw new RangeError('an argument cannot hold a NUL')
  return `'${argument.replaceAll(/['\\!]/g, (char) => `'\\${char}'`)}'`
}
