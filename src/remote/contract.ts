import type { Duplex, Readable, Writable } from 'node:stream'

/**
 * How a script gets to be root: by `sudo -n`, or in a helper container, for a user who may use Docker. Either way it
 * is in the same place as without: the same files, mounts, processes and network.
 */
export type Privilege = 'sudo' | HelperContainer

/** Root by Docker (remote/scripts/helper.sh). The image only serves to make a container; none of its programs runs. */
export interface HelperContainer {
  readonly docker: {
    /** Id of an image that the server has: `sha256:…`. */
    readonly image: string
    /** What a person calls it: `app:7`. */
    readonly name: string
  }
}

/**
 * What a step does. It decides how long the step may be silent before the server counts as stuck. The step answers at
 * once (`ask`), lists files (`list`), streams what it reads or writes what we send (`stream`), computes without a word
 * (`work`), or waits for services that stop and start (`services`).
 */
export type Patience = 'ask' | 'list' | 'stream' | 'work' | 'services'

/**
 * A server as the rest of the program knows it: a place that can run our scripts. Implemented over SSH.
 *
 * A script is a POSIX sh file: `FOLDER/NAME` is `src/FOLDER/scripts/NAME.sh`. It gets its values as arguments
 * or on stdin, never by string concatenation; `args` are quoted by the implementation. Arguments are visible
 * to every user of the server (`ps`), so secrets go in through `stdin` only.
 */
export interface RemoteCommand {
  readonly script: string
  readonly args?: readonly string[]
  /** Run as root; absent: as the SSH user. */
  readonly privilege?: Privilege | undefined
  /** What a person calls this step in an error: `listing uploads`. */
  readonly title?: string
  /** Absent: `ask`. A server that is silent for longer fails the step with RemoteError `silent`. */
  readonly patience?: Patience
}

export interface CommandResult {
  /** Exit status; 128 + n when a signal ended it, as a shell says. */
  readonly status: number
  readonly stdout: Buffer
  /** Decoded leniently, cut after 64 KiB. */
  readonly stderr: string
}

export interface ExitResult {
  readonly status: number
  readonly stderr: string
}

/** A script that is running. Its streams have back-pressure; whoever spawns it must consume stdout. */
export interface RemoteProcess {
  /** Its errors need no listener: `exit` tells why nothing more is taken. */
  readonly stdin: Writable
  readonly stdout: Readable
  /**
   * Settles after stdout ended and the exit status came. Rejects with ConnectionError `lost` when the
   * connection went before that: a status that never came is never a success. Rejects with RemoteError `silent` when
   * the server neither said nor took anything for longer than the command's patience, or sent no status; stdout then
   * fails with the same.
   */
  readonly exit: Promise<ExitResult>
  /**
   * Asks the server to end it (closes the channel); `exit` then settles. With a reason nothing more is waited for:
   * `exit` and stdout fail with it at once.
   */
  kill(reason?: Error): void
}

/**
 * A script that has changed the server's state and undoes that when the lease ends, however it ends. Its stdin is a
 * heartbeat (docs/design/ssh.md, "The lease"). It speaks lines on stdout.
 */
export interface Lease extends AsyncDisposable {
  /**
   * The next line from the script; undefined when it ended. Throws RemoteError `silent` when none comes within the
   * command's patience, and `output-too-long` when the script says more than any script does.
   */
  nextLine(signal: AbortSignal): Promise<string | undefined>
  /** Sends one command line to the script, besides the heartbeat. */
  send(line: string): void
  /**
   * Ends the lease in order; resolves with the script's exit after it undid what it changed. Idempotent. Rejects with
   * RemoteError `silent` when that takes too long: some seconds after an abort. The script then goes on undoing by
   * itself.
   */
  release(): Promise<ExitResult>
}

/** One connection to a server. Disposing it closes the connection; what still runs there ends by its lease. */
export interface RemoteHost extends AsyncDisposable {
  /** The configured or ad-hoc name, for errors. */
  readonly name: string
  /** Keywords of OpenSSH's config that say something of the way there and are not followed. */
  readonly notHonoured?: readonly string[]
  /** Runs to the end and collects stdout (at most 64 MiB). A non-zero status is a result, not an error. */
  run(
    command: RemoteCommand,
    options: { readonly stdin?: Uint8Array; readonly signal: AbortSignal },
  ): Promise<CommandResult>
  /** Starts a script and streams. */
  spawn(command: RemoteCommand, options: { readonly signal: AbortSignal }): Promise<RemoteProcess>
  /** Starts a leased script; `firstLines` (secrets, settings) go to its stdin before the first heartbeat. */
  lease(
    command: RemoteCommand,
    options: { readonly firstLines?: readonly string[]; readonly signal: AbortSignal },
  ): Promise<Lease>
  /**
   * Makes sure that so many sessions can be open at once, by further connections where the server opens few on one
   * (MaxSessions of OpenSSH). Throws RemoteError `too-few-sessions` when it lets no more in, and `session-refused`.
   */
  allow(sessions: number, signal: AbortSignal): Promise<void>
  /** How long, in ms, a step may be silent before the server counts as stuck; for who waits for answers himself. */
  silence(patience: Patience): number
  /**
   * A TCP connection made from the server's side (direct-tcpip). Throws RemoteError: `tcp-refused` when nothing
   * listens there, `tcp-failed` when it can't be told or the server does not forward.
   */
  connectTcp(address: string, port: number, signal: AbortSignal): Promise<Duplex>
  /**
   * Opens a session for reading files (SFTP), for servers without a shell. The signal is for the whole session: an
   * abort closes it and rejects what is under way with the signal's reason. Throws RemoteError `sftp-refused` when the
   * server has none.
   */
  openFiles(signal: AbortSignal): Promise<RemoteFiles>
}

export type RemoteFileType =
  'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character-device' | 'block-device'

/** A file system entry as SFTP describes it: without an inode, a count of links, or fractions of a second. */
export interface RemoteFileStat {
  readonly type: RemoteFileType
  /** Permission bits incl. setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
  /** Seconds since the epoch, 0 to 2^32 - 1. */
  readonly mtime: number
}

export interface RemoteDirectoryEntry {
  /** As decoded from UTF-8. */
  readonly name: string
  /** False when the bytes of the name on the server differ from this text: then no request can name the file. */
  readonly exact: boolean
  /** The stat of the entry itself, not of what a symlink points to. */
  readonly stat: RemoteFileStat
}

/** An open file. */
export interface RemoteFile {
  /** The stat of the open file. */
  stat(): Promise<RemoteFileStat>
  /** The bytes from `position` on: `length` of them, or fewer only where the file ends. */
  read(position: number, length: number): Promise<Buffer>
  /** Idempotent; a file that is not closed stays open on the server until the session ends. */
  close(): Promise<void>
}

/**
 * Files of a server without a shell, for reading. Paths are absolute. Calls may overlap: requests go out at once and
 * are answered in the server's order. Throws RemoteFileError for what the server refuses, ConnectionError when the
 * connection is lost. Disposing it closes the session and all that is open in it.
 */
export interface RemoteFiles extends AsyncDisposable {
  /** The path with every symlink resolved; `.` is where the server starts us, mostly the home. */
  realpath(path: string): Promise<string>
  /** Of the entry itself. */
  lstat(path: string): Promise<RemoteFileStat>
  /** Of what it points to. */
  stat(path: string): Promise<RemoteFileStat>
  readlink(path: string): Promise<string>
  /** What is in a directory, a few dozen at a time, in no order, without `.` and `..`. */
  list(path: string): AsyncGenerator<readonly RemoteDirectoryEntry[]>
  open(path: string): Promise<RemoteFile>
}

export type TarFlavour = 'gnu' | 'busybox' | 'bsd' | 'unknown'

/** What one round trip after connecting found out about the server and the deployment. */
export interface HostProbe {
  /** `sftp`: there is no shell, files can be read and nothing can be run. */
  readonly access: 'shell' | 'sftp'
  readonly os: string
  readonly kernel: string
  readonly arch: string
  /** -1 where the server does not tell. */
  readonly uid: number
  readonly user: string
  readonly home: string
  /** The processors that are online. */
  readonly cpus: number
  /** The deployment as an absolute path with symlinks resolved; undefined when it does not exist. */
  readonly deployment: string | undefined
  readonly deploymentWritable: boolean
  /** Bytes free for us on the deployment's file system, where known. */
  readonly freeBytes: number | undefined
  /** Names directly under the deployment that were asked about and exist. */
  readonly existing: ReadonlySet<string>
  readonly tar: TarFlavour | undefined
  /** Versions as the tools print them (`1.34`); undefined when a tool is not there. */
  readonly versions: Readonly<{
    tar?: string
    zstd?: string
    gzip?: string
    pigz?: string
    find?: string
    sha256sum?: string
    nice?: string
    ionice?: string
    docker?: string
  }>
  /** `find` has `-printf` and `-print0`. */
  readonly findPrintf: boolean
  /** Ids of restores whose journal is open in the deployment's `.relay-backup/`. */
  readonly openJournals: readonly string[]
  /** Ids of pulls that keep services there stopped or paused: one that runs, or that was cut off. */
  readonly quiesced: readonly string[]
  /** The groups the user is in, by name. */
  readonly groups: readonly string[]
}
