import { randomUUID } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { DamageError, VaultError } from '../errors.ts'
import { VAULT_FORMAT } from '../model/snapshot.ts'
import type { Vault } from './contract.ts'
import { onDisk } from './disk-error.ts'
import { ifPresent, makeDirectory, replaceFile, syncDirectory } from './durable.ts'
import { FileVault, type VaultOptions } from './file-vault.ts'
import { MOST_BYTES, vaultFile } from './paths.ts'
import { insistOnFormat } from './format.ts'
import { readRegular } from './regular-file.ts'

const vaultJson = z.looseObject({ format: z.number().int().positive(), id: z.string().min(1) })

/**
 * Opens the vault at this absolute path and makes it on first use. Throws VaultError when the directory holds
 * something else, when a newer version made it, or when the disk refuses.
 */
export async function openVault(path: string, options: VaultOptions = {}): Promise<Vault> {
  return onDisk(path, async () => {
    const id = (await readVaultId(path)) ?? (await makeVault(path, options.now?.() ?? new Date()))
    return new FileVault(path, id, options)
  })
}

/** Opens a vault for reading; undefined when there is none yet. Makes nothing. Throws as {@link openVault}. */
export async function openExistingVault(
  path: string,
  options: VaultOptions = {},
): Promise<Vault | undefined> {
  return onDisk(path, async () => {
    const id = await readVaultId(path)
    if (id === undefined) await insistOnNothingElse(path)
    return id === undefined ? undefined : new FileVault(path, id, options)
  })
}

async function readVaultId(path: string): Promise<string | undefined> {
  const bytes = await ifPresent(readRegular(vaultFile(path), MOST_BYTES.vault))
  if (bytes === undefined) return undefined
  const result = vaultJson.safeParse(parseJson(bytes.toString('utf8')))
  if (!result.success) {
    throw new DamageError('vault-damaged', `${vaultFile(path)} can't be read`, {
      next: 'Put the file back from a copy of the vault; the snapshots beside it are not touched.',
    })
  }
  insistOnFormat(result.data, `The vault ${path}`)
  return result.data.id
}

async function makeVault(path: string, created: Date): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  const isNew = await makeDirectory(path)
  if (isNew) await syncDirectory(dirname(path))
  else await insistOnNothingElse(path)
  const text = JSON.stringify(
    { format: VAULT_FORMAT, id: randomUUID(), created: created.toISOString() },
    null,
    2,
  )
  await replaceFile(vaultFile(path), `${text}\n`)
  // When two first runs come at once, both take the id from the file that stayed.
  const id = await readVaultId(path)
  if (id === undefined) throw new VaultError('vault-path', `${vaultFile(path)} vanished`)
  return id
}

/** A vault is never made among other files, nor in a directory that has lost its vault.json. */
async function insistOnNothingElse(path: string): Promise<void> {
  const names = (await ifPresent(readdir(path))) ?? []
  // A fresh mount has lost+found, a Mac's folder its .DS_Store, a first run that died its temporary file.
  const others = names.filter((name) => !/^(\..*|lost\+found|vault\.json.*)$/.test(name))
  if (others.length === 0) return
  throw new VaultError(
    'not-a-vault',
    `${path} has other files in it and no vault.json, so it is not a vault`,
    {
      next: 'Set `vault` to a new or empty directory, or put vault.json back from a copy of the vault.',
    },
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
