import { describe, expect, test } from 'vitest'
import { DumpReader } from '../../../../src/sources/mysql/dump-reader.ts'

const HEAD = '-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n'
const END = '-- Dump completed on 2026-01-02  3:04:05\n'

/** Reads a dump in pieces of every size up to a few, and expects the same of each. */
function read(text: string) {
  const bytes = Buffer.from(text)
  const said = [bytes.length, 1, 2, 3, 7, 64].map((size) => {
    const reader = new DumpReader()
    for (let at = 0; at < bytes.length; at += size) reader.write(bytes.subarray(at, at + size))
    reader.end()
    const rows = Object.fromEntries([...reader.tables].map(([name, table]) => [name, table.rows]))
    const filled = [...reader.tables.values()].map((table) => table.bytes)
    return { rows, filled, begun: reader.begun, ended: reader.ended, unseen: reader.unseen }
  })
  for (const one of said) expect(one).toEqual(said[0])
  return said[0]!
}

describe('rows are counted as the dump has them', () => {
  test.each([
    ['MariaDB, a line a row', "INSERT INTO `t` VALUES\n(1,'x'),\n(2,NULL);\n", 2],
    ['MySQL, all in one line', "INSERT INTO `t` VALUES (1,'x'),(2,'y'),(3,'z');\n", 3],
    ['several statements', 'INSERT INTO `t` VALUES (1);\nINSERT INTO `t` VALUES (2),(3);\n', 3],
    ['columns that are named', 'INSERT INTO `t` (`a`, `VALUES (`, `b``(`) VALUES (1,2,3),(4,5,6);\n', 2],
    ['text like rows', "INSERT INTO `t` VALUES ('),(1),(\\'),(2),(''),(3');\n", 1],
    ['text like ends', "INSERT INTO `t` VALUES ('a;\nINSERT INTO `u` VALUES (1);\n-- Dump completed');\n", 1],
    ['a backslash before a quote', "INSERT INTO `t` VALUES ('\\\\'),('\\\\\\''),('\\\\\\\\');\n", 3],
    ['bytes and numbers', 'INSERT INTO `t` VALUES (0x2C2829,-1.5e3,_binary 0x27),(0x3B,2,NULL);\n', 2],
    ['quotes of the other kind', "INSERT INTO `t` VALUES ('\"'),(\"'\"),('`');\n", 3],
  ])('%s', (_what, statements, rows) => {
    const made = `${HEAD}CREATE TABLE \`t\` (\n  \`a\` int\n);\n${statements}${END}`
    expect(read(made)).toMatchObject({ rows: { t: rows }, begun: true, ended: true })
  })

  test('names of tables, with quotes, blanks and line ends; a table without rows', () => {
    const name = 'we``ird "t (\\ ü\nx'
    expect(read(`${HEAD}CREATE TABLE \`e\` (\nINSERT INTO \`${name}\` VALUES (1),(2);\n${END}`).rows).toEqual(
      { e: 0, 'we`ird "t (\\ ü\nx': 2 },
    )
  })

  test('what is in the body of a routine is none', () => {
    const body =
      'DELIMITER ;;\nCREATE PROCEDURE p() BEGIN\nINSERT INTO `t` VALUES (1);\n-- Dump completed\nEND ;;\nDELIMITER ;\n'
    expect(read(`${HEAD}${body}INSERT INTO \`t\` VALUES (1);\n${END}`).rows).toEqual({ t: 1 })
    expect(read(`${HEAD}${body}`).ended).toBe(false)
  })

  test('bytes are those of its statements', () => {
    expect(read(`${HEAD}INSERT INTO \`t\` VALUES (1);\n${END}`).filled).toEqual([
      'INSERT INTO `t` VALUES (1);'.length,
    ])
  })
})

describe('a dump is whole', () => {
  test.each([
    ['with a time', END, true],
    ['without one', '-- Dump completed\n', true],
    ['without a line end', '-- Dump completed', true],
    ['with something behind it', `${END}UNLOCK TABLES;\n`, false],
    ['with rows behind it', `${END}INSERT INTO \`t\` VALUES (1);\n`, false],
    ['not', 'UNLOCK TABLES;\n', false],
    ['not: cut in a text', "INSERT INTO `t` VALUES ('-- Dump completed", false],
  ])('%s', (_what, end, ended) => {
    expect(read(`${HEAD}${end}`)).toMatchObject({ begun: true, ended })
  })

  test('it begins with the name of the program, behind the line that MariaDB puts before it', () => {
    expect(read(`/*M!999999\\- enable the sandbox mode */ \n${HEAD}${END}`).begun).toBe(true)
    expect(read('-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n').begun).toBe(true)
    expect(read('')).toMatchObject({ begun: false, ended: false })
    expect(read(`Usage: mysqldump\n${END}`).begun).toBe(false)
  })

  test('what the account may not see is told in a comment', () => {
    const said = '-- insufficient privileges to SHOW CREATE PROCEDURE `p`\n'
    expect(read(`${HEAD}${said}${END}`).unseen).toBe(true)
  })
})
