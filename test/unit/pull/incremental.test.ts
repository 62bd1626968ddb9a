import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TAIL_THRESHOLD } from '../../../src/pull/incremental/plan.ts'
import { rounds } from '../../lab/soak.ts'
import { ModelTree, ModelVault } from './incremental-model.ts'

const path = fc.constantFrom('r/a', 'r/b', 'r/d', 'r/d/a', 'r/d/e', 'r/d-', 'r/\xff\n')
const small = fc.constantFrom('one', 'two', '', 'three and more').map((text) => Buffer.from(text))
const large = fc
  .tuple(fc.constantFrom('x', 'y'), fc.constantFrom(0, 1, 700))
  .map(([letter, more]) => Buffer.alloc(TAIL_THRESHOLD + more, letter))

const edit = fc.oneof(
  fc.record({
    do: fc.constant('write' as const),
    path,
    content: fc.oneof(small, large),
    keepMtime: fc.boolean(),
  }),
  fc.record({ do: fc.constant('append' as const), path, content: small }),
  fc.record({ do: fc.constant('mkdir' as const), path }),
  fc.record({ do: fc.constant('symlink' as const), path, to: fc.constantFrom('a', 'elsewhere') }),
  fc.record({ do: fc.constant('chmod' as const), path, mode: fc.constantFrom(0o600, 0o644) }),
  fc.record({ do: fc.constant('remove' as const), path }),
  fc.record({ do: fc.constant('rename' as const), path, to: path, quiet: fc.boolean() }),
  fc.record({ do: fc.constant('link' as const), path, to: path }),
)
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never

const step = fc.oneof(
  { weight: 6, arbitrary: edit },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1, 2, 3, 10, -5) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pull' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('torn-pull' as const), edits: fc.array(edit, { maxLength: 3 }) }),
  },
)

function apply(tree: ModelTree, edit: Edit): void {
  switch (edit.do) {
    case 'write':
      return tree.write(edit.path, edit.content, edit.keepMtime)
    case 'append':
      return tree.append(edit.path, edit.content)
    case 'mkdir':
      return tree.make(edit.path, 'directory', '')
    case 'symlink':
      return tree.make(edit.path, 'symlink', edit.to)
    case 'chmod':
      return tree.chmod(edit.path, edit.mode)
    case 'remove':
      return tree.remove(edit.path)
    case 'rename':
      return tree.rename(edit.path, edit.to, edit.quiet)
    case 'link':
      return tree.link(edit.path, edit.to)
  }
}

test('every snapshot of a random history, put together from its segments, is the tree as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const tree = new ModelTree()
      const vault = new ModelVault()
      tree.write('r/a', Buffer.from('one'), false)
      tree.write('r/b', Buffer.alloc(TAIL_THRESHOLD, 'x'), false)
      tree.link('r/a', 'r/d-')
      tree.make('r/d', 'directory', '')
      tree.clock += 10
      const expected: (Map<string, string> | undefined)[] = []
      for (const each of [...steps, { do: 'pull' as const }]) {
        if (each.do === 'wait') tree.clock += each.seconds
        else if (each.do === 'pull') {
          await vault.pull(tree)
          expected.push(tree.shown())
        } else if (each.do === 'torn-pull') {
          await vault.pull(tree, () => each.edits.forEach((edit) => apply(tree, edit)))
          // Of no single moment; but the next one must be right again.
          expected.push(undefined)
        } else apply(tree, each)
      }
      expected.forEach((tree, number) => {
        if (tree !== undefined) expect(vault.materialise(number)).toEqual(tree)
      })
    }),
    { numRuns: rounds(200, 5000) },
  )
})

test('a hard link that went while the clock stood at an earlier moment is not linked to any more', async () => {
  const tree = new ModelTree()
  const vault = new ModelVault()
  tree.write('r/a', Buffer.from('one'), false)
  tree.link('r/a', 'r/d-')
  tree.clock += 15
  await vault.pull(tree)
  tree.clock -= 15
  tree.remove('r/a')
  tree.clock += 20
  await vault.pull(tree)
  expect(vault.materialise(1)).toEqual(tree.shown())
})

test('an unchanged tree sends nothing, a line in a large file its tail, an edit with its old time the file', async () => {
  const tree = new ModelTree()
  const vault = new ModelVault()
  tree.write('r/big', Buffer.alloc(TAIL_THRESHOLD * 40, 'x'), false)
  tree.write('r/small', Buffer.from('same size'), false)
  tree.clock += 10
  await vault.pull(tree)
  const sizes = (): number[] =>
    [...(vault.archives.get([...vault.archives.keys()].at(-1) ?? '')?.values() ?? [])].map(
      (bytes) => bytes.length,
    )
  await vault.pull(tree)
  expect(sizes()).toEqual([])
  tree.append('r/big', Buffer.from('line\n'))
  tree.clock += 10
  await vault.pull(tree)
  expect(sizes()).toEqual([5])
  tree.write('r/small', Buffer.from('SAME SIZE'), true)
  tree.clock += 10
  await vault.pull(tree)
  expect(sizes()).toEqual([9])
  expect(vault.modes).toEqual(['full', 'incremental', 'incremental', 'incremental'])
  expect(vault.materialise(3)).toEqual(tree.shown())
})
