import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Command, Contender } from '../contract.ts'
import type { Lab, Route } from '../lab.ts'

const BIN = join(import.meta.dirname, '../../bin/relay-backup.js')

export const OURS = 'relay-backup'

/** Sources of a host as hosts.yaml has them. */
export type Sources = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export interface OursOptions {
  readonly lab: Lab
  readonly route?: Route
  /** Host names of the config and their deployments. */
  readonly deployments: Readonly<Record<string, string>>
  readonly sources: Sources
  readonly retention?: Readonly<Record<string, unknown>>
}

/** relay-backup itself, as built: a workstation's directory with a config, and commands in it. */
export class Ours {
  readonly home: string
  readonly vault: string
  readonly #options: OursOptions

  private constructor(home: string, options: OursOptions) {
    this.home = home
    this.vault = join(home, 'vault')
    this.#options = options
  }

  /** Makes the directory and the config. */
  static async create(name: string, options: OursOptions): Promise<Ours> {
    const home = join(options.lab.folder, name)
    await mkdir(home, { recursive: true })
    const ours = new Ours(home, options)
    await writeFile(join(home, 'hosts.yaml'), stringify(ours.#config()))
    return ours
  }

  /** A command line of the program, without progress. */
  command(...args: string[]): Command {
    return {
      argv: [process.execPath, BIN, '--quiet', '--config', join(this.home, 'hosts.yaml'), ...args],
      env: { XDG_STATE_HOME: join(this.home, 'state'), CI: '' },
    }
  }

  /** Forgets every snapshot, and what the program remembers of servers. */
  async reset(): Promise<void> {
    await rm(this.vault, { recursive: true, force: true })
    await rm(join(this.home, 'state'), { recursive: true, force: true })
  }

  /**
   * As one of several programs that back up the host `bench`; restores onto the host `target`, when the
   * deployments name one.
   */
  contender(): Contender {
    const target = this.#options.deployments['target']
    return {
      name: OURS,
      reset: () => this.reset(),
      backup: () => this.command('pull', 'bench'),
      ...(target === undefined
        ? {}
        : {
            restore: async () => {
              await rm(target, { recursive: true, force: true })
              await mkdir(target)
              return this.command('restore', '--from', 'bench', '--host', 'target', '--yes')
            },
          }),
    }
  }

  #config() {
    const { lab, route = lab.route, deployments, sources, retention } = this.#options
    const ssh = {
      host: route.host,
      port: route.port,
      user: 'root',
      identityFile: lab.sshd.identityFile,
      knownHosts: route.knownHosts,
      agent: false,
    }
    return {
      version: 1,
      vault: this.vault,
      encryption: { recipients: [lab.gpg.publicKey], identity: lab.gpg.privateKey },
      retention: retention ?? { last: 100 },
      hosts: Object.fromEntries(
        Object.entries(deployments).map(([name, deployment]) => [name, { ssh, deployment, sources }]),
      ),
    }
  }
}
