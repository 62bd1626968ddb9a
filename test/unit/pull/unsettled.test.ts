import { expect, test } from 'vitest'
import { ModelTree, ModelVault } from './incremental-model.ts'

/** A tree and a vault whose last pull came right behind a write. */
async function justPulled(): Promise<{ readonly tree: ModelTree; readonly vault: ModelVault }> {
  const tree = new ModelTree()
  const vault = new ModelVault()
  // Old and large enough that the edits below are no reason for a full.
  for (let at = 0; at < 50; at += 1) tree.write(`r/old-${at}`, Buffer.alloc(100, 'x'), false)
  tree.clock += 10
  tree.write('r/a', Buffer.from('one'), false)
  await vault.pull(tree)
  return { tree, vault }
}

test('an edit right behind the listing that leaves the same stat is in the next snapshot', async () => {
  const { tree, vault } = await justPulled()
  tree.write('r/a', Buffer.from('two'), false)
  tree.clock += 10
  await vault.pull(tree)
  expect(vault.modes).toEqual(['full', 'incremental'])
  expect(vault.materialise(1)).toEqual(tree.shown())
})

test.each([0, 1, 2])('also when the write came %i seconds before the listing', async (seconds) => {
  const { tree, vault } = await justPulled()
  tree.clock += 10
  await vault.pull(tree)
  tree.write('r/a', Buffer.from('two'), false)
  const written = tree.clock
  tree.clock += seconds
  await vault.pull(tree)
  const now = tree.clock
  // Its clock is that of the write still: as coarse as some file systems keep it.
  tree.clock = written
  tree.write('r/a', Buffer.from('six'), false)
  tree.clock = now + 10
  await vault.pull(tree)
  expect(vault.modes.slice(1)).toEqual(['incremental', 'incremental', 'incremental'])
  expect(vault.materialise(3)).toEqual(tree.shown())
})
