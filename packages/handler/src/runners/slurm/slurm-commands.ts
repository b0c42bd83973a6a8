import {
  UnreachableError,
  type CommandOptions,
  type CommandResult,
  type CommandShell,
} from "../shell/command-shell.ts";

/** What Slurm says of a job. */
export interface SlurmJob {
  readonly id: string;
  /** In Slurm's words: PENDING, RUNNING, COMPLETED, … */
  readonly state: string;
  /** Why it waits, or why it failed. `None` when there is none. */
  readonly reason: string;
  /** The nodes it runs or ran on. */
  readonly nodes: string;
  readonly comment: string;
  /** Of a job that somebody cancelled, where the accounting knows it: who did. */
  readonly cancelledBy?: Canceller;
}

export interface Canceller {
  readonly uid: string;
  /** Of the machine that Slurm's commands run on; the uid where that has none. */
  readonly name: string;
  /** Whether the job is this user's own. */
  readonly isOwner: boolean;
}

export type Submission =
  | { readonly outcome: "submitted"; readonly jobId: string }
  /** For now, in Slurm's own words: a limit on how many jobs there may be. */
  | { readonly outcome: "full"; readonly reason: string }
  /** For good, in Slurm's own words. */
  | { readonly outcome: "refused"; readonly reason: string }
  /** Slurm did not answer; `maybe`: it may have the job all the same. */
  | { readonly outcome: "unanswered"; readonly reason: string; readonly maybe: boolean };

/** Slurm did not answer a question. Nothing may be concluded from that. */
export class SlurmUnansweredError extends Error {
  override readonly name = "SlurmUnansweredError";
}

/** Slurm's tools try for 9 s to reach a controller, and a slow one has its time-out of 10 s on top, ms. */
const commandTimeout = 40_000;
/** Jobs in one command line. */
const idsInOneCommand = 500;

const fieldsOfQueue = "%i|%T|%R|%r";
const fieldsOfSearch = "%i|%T|%R|%r|%k";
const fieldsOfAccounting = "JobIDRaw,State,NodeList,UID,Comment";

/** What sbatch says when another try may help: no controller, a slow one, one that is full, no munge. */
const passing =
  /unable to contact slurm controller|socket timed out|timed out|connection (refused|reset|failure)|zero bytes were transmitted|temporarily unable|resource temporarily unavailable|try again|backend in standby|unexpected message|communication|munge|authentication credential|protocol authentication|unable to (connect|establish)|transport endpoint|database is down|slurmdbd|cannot allocate memory|configuration source|fetch_config/i;

/** A limit that ends of jobs lift: QOSMaxSubmitJobPerUserLimit, AssocGrpSubmitJobsLimit, … */
const full = /\b((QOS|Assoc)\w*SubmitJob\w*|MaxSubmitJobsPer\w+)/;

/** Nothing has reached the controller then. */
const neverReached =
  /unable to contact slurm controller \(connect failure\)|connection refused|munge encode failed|configuration source/i;

/** The commands of one Slurm, each with its time-out. */
export class SlurmCommands {
  readonly #shell: CommandShell;
  readonly #cluster: readonly string[];
  /** Found out by asking; undefined before. */
  #accounting: boolean | undefined;
  /** The last answer; of many jobs most often the next one is the same. */
  readonly #userNames = new Map<string, string>();
  #seen: { readonly text: string; readonly jobs: ReadonlyMap<string, SlurmJob> } | undefined;

  constructor(shell: CommandShell, cluster: string | undefined) {
    this.#shell = shell;
    this.#cluster = cluster === undefined ? [] : [`--clusters=${cluster}`];
  }

  /** @param script the batch script */
  async submit(argv: readonly string[], script: string, signal: AbortSignal): Promise<Submission> {
    let result: CommandResult;
    try {
      result = await this.#run(["sbatch", ...this.#cluster, "--parsable", ...argv], {
        input: script,
        signal,
      });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      const reason = `sbatch${this.#shell.where}: ${error.message}`;
      return error.passing ? { outcome: "unanswered", reason, maybe: true } : { outcome: "refused", reason };
    }
    const jobId = /^(\d+)(;.*)?$/m.exec(result.stdout)?.[1];
    if (result.code === 0 && jobId !== undefined) return { outcome: "submitted", jobId };
    const reason = wordsOf(result, "sbatch") || "sbatch gave no job id";
    if (result.code === null)
      return { outcome: "unanswered", reason: `${reason} (no answer in time)`, maybe: true };
    if (full.test(reason)) return { outcome: "full", reason };
    if (!passing.test(reason)) return { outcome: "refused", reason };
    return { outcome: "unanswered", reason, maybe: !neverReached.test(reason) };
  }

  /**
   * All jobs of this user that the controller knows, ended ones too for MinJobAge. In text: its JSON is several times
   * the work, and changes with each release.
   * @throws SlurmUnansweredError
   */
  async queue(): Promise<ReadonlyMap<string, SlurmJob>> {
    const text = await this.#askQueue(fieldsOfQueue);
    if (this.#seen?.text !== text) this.#seen = { text, jobs: jobsIn(text, queuedJob) };
    return this.#seen.jobs;
  }

  /**
   * What the accounting knows of jobs that the controller has forgotten.
   * @returns undefined where there is no accounting
   * @throws SlurmUnansweredError
   */
  async accounting(ids: readonly string[]): Promise<Map<string, SlurmJob> | undefined> {
    const found = new Map<string, SlurmJob>();
    for (let at = 0; at < ids.length; at += idsInOneCommand) {
      const part = await this.#askAccounting(["--jobs", ids.slice(at, at + idsInOneCommand).join(",")]);
      if (part === undefined) return undefined;
      for (const [id, job] of part) found.set(id, job);
    }
    return found;
  }

  /**
   * Looks for a job whose submission nobody has noted, by its name and comment.
   * @throws SlurmUnansweredError
   */
  async find(name: string, comment: string): Promise<SlurmJob | undefined> {
    const queued = jobsIn(await this.#askQueue(fieldsOfSearch), queuedJob);
    for (const job of queued.values()) if (job.comment === comment) return job;
    const accounted = await this.#askAccounting(["--name", name, "--starttime", "now-30days"]);
    return [...(accounted?.values() ?? [])].find((job) => job.comment === comment);
  }

  /** Asks for the end of jobs; harmless for those that have ended. @throws SlurmUnansweredError */
  async cancel(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += idsInOneCommand) {
      const command = ["scancel", ...this.#cluster, "--quiet", ...ids.slice(at, at + idsInOneCommand)];
      const result = await this.#answer(command);
      const words = wordsOf(result, "scancel");
      if (result.code !== 0 && !/invalid job id|already completed/i.test(words))
        throw new SlurmUnansweredError(words || "scancel failed");
    }
  }

  /** Ended jobs of sacct: the steps of a job are left away. */
  async #askAccounting(which: readonly string[]): Promise<Map<string, SlurmJob> | undefined> {
    if (this.#accounting === false) return undefined;
    const command = ["sacct", ...this.#cluster, "--noheader", "--parsable2", "--allocations", "--duplicates"];
    const result = await this.#answer([...command, "--format", fieldsOfAccounting, ...which]);
    const words = wordsOf(result, "sacct");
    if (
      result.code !== 0 &&
      /accounting storage is disabled|accounting_storage\/(none|filetxt)/i.test(words)
    ) {
      this.#accounting = false;
      return undefined;
    }
    if (result.code !== 0) throw new SlurmUnansweredError(words || "sacct failed");
    this.#accounting = true;
    const jobs = jobsIn(result.stdout, accountedJob);
    for (const job of jobs.values()) {
      if (job.cancelledBy === undefined) continue;
      const name = await this.#userName(job.cancelledBy.uid);
      jobs.set(job.id, { ...job, cancelledBy: { ...job.cancelledBy, name } });
    }
    return jobs;
  }

  async #userName(uid: string): Promise<string> {
    const known = this.#userNames.get(uid);
    if (known !== undefined) return known;
    const { code, stdout } = await this.#answer(["id", "-un", uid]);
    const name = code === 0 ? stdout.trim() : uid;
    this.#userNames.set(uid, name);
    return name;
  }

  /**
   * How often Slurm has started a job again.
   * @returns undefined when it does not say
   */
  async restarts(id: string): Promise<number | undefined> {
    const result = await this.#run(["scontrol", ...this.#cluster, "--oneliner", "show", "job", id]).catch(
      () => undefined,
    );
    const found = /\bRestarts=(\d+)/.exec(result?.stdout ?? "");
    return found === null ? undefined : Number(found[1]);
  }

  async #askQueue(fields: string): Promise<string> {
    const which = ["--me", "--noheader", "--states=all", "--format", fields];
    const result = await this.#answer(["squeue", ...this.#cluster, ...which]);
    if (result.code !== 0) throw new SlurmUnansweredError(wordsOf(result, "squeue") || "squeue failed");
    return result.stdout;
  }

  async #answer(command: readonly string[]): Promise<CommandResult> {
    try {
      const result = await this.#run(command);
      if (result.code !== null) return result;
      throw new SlurmUnansweredError(
        `${command[0]}${this.#shell.where} gave no answer in ${commandTimeout / 1000} s`,
      );
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      throw new SlurmUnansweredError(`${command[0]}${this.#shell.where}: ${error.message}`);
    }
  }

  #run(command: readonly string[], options: Partial<CommandOptions> = {}): Promise<CommandResult> {
    return this.#shell.run(command, { timeout: commandTimeout, ...options });
  }
}

function jobsIn(text: string, read: (fields: string[]) => SlurmJob): Map<string, SlurmJob> {
  const jobs = new Map<string, SlurmJob>();
  for (const line of text.split("\n")) {
    const fields = line.split("|");
    // Of several clusters squeue writes a heading for each.
    if (fields.length < 4 || !/^\d+$/.test(fields[0]!)) continue;
    const job = read(fields);
    jobs.set(job.id, job);
  }
  return jobs;
}

/** A line of sacct; whom a uid belongs to is asked for later. */
function accountedJob([id, written, nodes, owner, ...comment]: string[]): SlurmJob {
  const [, state = written!, uid] = /^(\S+)(?: by (\d+))?/.exec(written!) ?? [];
  return {
    id: id!,
    state,
    reason: "None",
    nodes: nodes === "None assigned" ? "" : nodes!,
    comment: comment.join("|"),
    ...(uid === undefined ? {} : { cancelledBy: { uid, name: uid, isOwner: uid === owner } }),
  };
}

/** A line of squeue. A reason has no bar; a comment may. */
function queuedJob([id, state, nodesOrReason, reason, ...comment]: string[]): SlurmJob {
  const pending = nodesOrReason!.startsWith("(");
  return {
    id: id!,
    state: state!,
    reason: pending ? nodesOrReason!.slice(1, -1) : reason!,
    nodes: pending ? "" : nodesOrReason!,
    comment: comment.join("|"),
  };
}

/** What a command said, without its own name before each line. */
function wordsOf({ stderr }: CommandResult, program: string): string {
  const lines = stderr.split("\n").map((line) =>
    line
      .replace(`${program}: `, "")
      .replace(/^error: /, "")
      .trim(),
  );
  return [...new Set(lines.filter((line) => line !== ""))].join("; ");
}
