import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RemoteShell } from "@galaxy-jobs/runtime";
import { quote } from "../../job-script.ts";
import {
  UnreachableError,
  type CommandOptions,
  type CommandResult,
  type CommandShell,
} from "./command-shell.ts";
import { runProgram } from "./local-shell.ts";

/** A connection that nothing used for so long is closed, seconds. */
const idleConnection = 120;
/** ssh's own status for its own failures. */
const sshFailed = 255;

/**
 * Runs commands on another machine by the system's ssh, as Galaxy's SecureShell does: never with a password, the host's key has
 * to be known, one connection for all commands (ControlMaster). ssh joins its arguments for the remote user's shell, so each is
 * quoted.
 */
export class SshShell implements CommandShell {
  readonly where: string;
  readonly #remote: RemoteShell;
  readonly #environment: Readonly<Record<string, string>>;
  #sockets: Promise<string> | undefined;

  constructor(remote: RemoteShell, environment: Readonly<Record<string, string>>) {
    this.#remote = remote;
    this.#environment = environment;
    this.where = ` on ${remote.hostname}`;
  }

  async run(command: readonly string[], options: CommandOptions): Promise<CommandResult> {
    const argv = [...(await this.#ssh()), "--", this.#remote.hostname, command.map(quote).join(" ")];
    const result = await runProgram(argv, this.#environment, options);
    if (result.code !== sshFailed) return result;
    throw new UnreachableError(
      `ssh to ${this.#remote.hostname}: ${result.stderr.trim() || "no answer"}`,
      true,
    );
  }

  /** Closes the shared connection, if it is up. */
  async close(): Promise<void> {
    if (this.#sockets === undefined) return;
    const argv = [...(await this.#ssh()), "-O", "exit", "--", this.#remote.hostname];
    await runProgram(argv, this.#environment, { timeout: 5_000 }).catch(() => undefined);
    await rm(await this.#sockets, { recursive: true, force: true });
    this.#sockets = undefined;
  }

  async #ssh(): Promise<string[]> {
    const { username, privateKey, port } = this.#remote;
    const options = [
      "BatchMode=yes",
      "ConnectTimeout=15",
      "ServerAliveInterval=10",
      "ServerAliveCountMax=3",
      "ControlMaster=auto",
      `ControlPersist=${idleConnection}`,
      `ControlPath=${await this.#socket()}`,
    ];
    return [
      "ssh",
      "-T",
      ...options.flatMap((option) => ["-o", option]),
      ...(username === undefined ? [] : ["-l", username]),
      ...(privateKey === undefined ? [] : ["-i", privateKey, "-o", "IdentitiesOnly=yes"]),
      ...(port === undefined ? [] : ["-p", String(port)]),
    ];
  }

  /** A path of a socket is 107 bytes at most, and nobody else may make it: a short name in a folder of this process's own. */
  async #socket(): Promise<string> {
    this.#sockets ??= mkdtemp(join(tmpdir(), "galaxy-ssh-"));
    const name = createHash("sha256").update(JSON.stringify(this.#remote)).digest("hex").slice(0, 16);
    return join(await this.#sockets, name);
  }
}
