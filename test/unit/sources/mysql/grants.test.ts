import { describe, expect, test } from 'vitest'
import { missingPrivileges, parseGrant, seesRoutines } from '../../../../src/sources/mysql/grants.ts'

const grants = (...lines: readonly string[]) => ({ lines: lines.flatMap((line) => parseGrant(line) ?? []) })
const missing = (database: string, ...lines: readonly string[]): string[] =>
  missingPrivileges(grants(...lines), database).map(({ privilege }) => privilege)

const ALL = 'SELECT, SHOW VIEW, TRIGGER, EVENT'

describe('what an account needs to dump a database', () => {
  test.each([
    ['all of everything', 'GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION'],
    ["MySQL's root", `GRANT ${ALL}, LOCK TABLES ON *.* TO \`root\`@\`%\` WITH GRANT OPTION`],
    ['of the database', `GRANT ${ALL} ON \`my_shop\`.* TO \`b\`@\`%\``],
    ['of what its name is like', `GRANT ${ALL} ON \`my\\_sh%\`.* TO \`b\`@\`%\``],
  ])('%s is enough', (_what, line) => expect(missing('my_shop', line)).toEqual([]))

  test.each([
    ['nothing but a login', 'GRANT USAGE ON *.* TO `b`@`%`'],
    ['another database', `GRANT ${ALL} ON \`shop\`.* TO \`b\`@\`%\``],
    ['a name that is not like it', `GRANT ${ALL} ON \`my\\_\\_hop\`.* TO \`b\`@\`%\``],
    ['one table', `GRANT ${ALL} ON \`my_shop\`.\`t\` TO \`b\`@\`%\``],
    ['one column', 'GRANT SELECT (`a`, `b`) ON `my_shop`.* TO `b`@`%`'],
    ['a role that is not in force', 'GRANT `reader`@`%` TO `b`@`%`'],
  ])('%s is not', (_what, line) =>
    expect(missing('my_shop', line)).toEqual(['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT']),
  )

  test('what is missing is named, and what was taken back in one database', () => {
    expect(missing('a', 'GRANT SELECT, EVENT ON *.* TO `b`@`%`')).toEqual(['SHOW VIEW', 'TRIGGER'])
    const lines = [`GRANT ${ALL} ON *.* TO \`b\`@\`%\``, 'REVOKE SELECT ON `a`.* FROM `b`@`%`']
    expect(missing('a', ...lines)).toEqual(['SELECT'])
    expect(missing('other', ...lines)).toEqual([])
  })

  test('routines take more', () => {
    expect(seesRoutines(grants(`GRANT ${ALL} ON \`a\`.* TO \`b\`@\`%\``), 'a')).toBe(false)
    expect(seesRoutines(grants('GRANT SELECT ON `mysql`.`proc` TO `b`@`%`'), 'a')).toBe(true)
    expect(seesRoutines(grants('GRANT SHOW_ROUTINE ON *.* TO `b`@`%`'), 'a')).toBe(true)
    expect(seesRoutines(grants('GRANT SHOW CREATE ROUTINE ON `a`.* TO `b`@`%`'), 'a')).toBe(true)
    expect(seesRoutines(grants('GRANT ALL PRIVILEGES ON `a`.* TO `b`@`%`'), 'a')).toBe(true)
  })
})
