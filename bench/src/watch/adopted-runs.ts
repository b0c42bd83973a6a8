import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { bootId, ownIdentity } from "@galaxy-jobs/runtime";
import { ensureDefaultHistory, ensureUser, type Database } from "@galaxy-jobs/shared-db";
import { startScript, type Script } from "../script.ts";
import { tag } from "../waiting-jobs.ts";
import type { PipeHolderAsk } from "./pipe-holder.ts";

const execute = promisify(execFile);
/** Pipes that one call of mkfifo makes. */
const batch = 500;

/**
 * Runs of local jobs that an earlier process of a handler has left under way, as a handler finds them: rows, run directories with
 * the record of their supervisor, and the pipe that it holds. Only the processes are few instead of three for each job, which no
 * machine of this size has room for: a handler looks at none of them.
 * @returns ends the runs
 */
export async function leaveRuns(sql: Database, root: string, runs: number): Promise<() => Promise<void>> {
  const first = await insertRunningJobs(sql, root, runs);
  const directories = Array.from({ length: runs }, (_, at) => directoryOf(root, first + at));
  const ends = join(root, "ends");
  await mkdir(ends, { recursive: true });
  for (let at = 0; at < runs; at += batch) await writeRuns(directories.slice(at, at + batch), ends);
  return hold(directories.map((directory) => join(directory, "alive")));
}

async function insertRunningJobs(sql: Database, root: string, runs: number): Promise<number> {
  await mkdir(root, { recursive: true });
  await writeFile(join(root, ".run-directories"), "bench\n");
  const owner = await ensureUser(sql, "bench@example.org");
  const history = await ensureDefaultHistory(sql, owner.id);
  const [left] = await sql<{ id: number }[]>`
    insert into handler_incarnation (server_name, hostname, boot_id, pid, pid_start_time, tags, version, protocol, run_directory_id,
      end_time, end_reason)
    values ('handler0', ${hostname()}, ${bootId()}, ${process.pid}, '0', ${sql.array([tag])}, 'bench', 1, 'bench', now(), 'stopped')
    returning id`;
  const [first] = await sql<{ id: number }[]>`
    with made as (
      insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, incarnation_id,
        fence, run_fence, job_runner_name, job_runner_external_id, destination_id, destination_params, command_line, start_time)
      select ${owner.id}, ${history.id}, 'noop', '1.0', 'bench', 'running', ${tag}, 'handler0', ${left!.id},
        1, 1, 'local', ${String(process.pid)}, 'local', '{}', 'true', now()
      from generate_series(1, ${runs}::int)
      returning id
    )
    select min(id) as id from made`;
  return first!.id;
}

/** As docs/local-jobs.md describes it. */
function directoryOf(root: string, id: number): string {
  return join(root, String(Math.floor(id / 1000)).padStart(3, "0"), `${id}.1`);
}

async function writeRuns(directories: readonly string[], ends: string): Promise<void> {
  const { pid, startTime } = ownIdentity();
  const [began] = (await readFile("/proc/uptime", "utf8")).split(" ");
  const record =
    `supervised ${pid} ${startTime} ${bootId()} ${began} ${hostname()}\nplaces -\t${ends}\n`.padEnd(16_384);
  await Promise.all(
    directories.map(async (directory) => {
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, "record"), record);
      await writeFile(join(directory, "started"), "");
    }),
  );
  await execute("mkfifo", ["-m", "600", ...directories.map((directory) => join(directory, "alive"))]);
}

async function hold(pipes: readonly string[]): Promise<() => Promise<void>> {
  const limit = Number((await execute("sh", ["-c", "ulimit -n"])).stdout) || 1024;
  const share = Math.max(100, limit - 100);
  const holders: Script<PipeHolderAsk, unknown>[] = [];
  for (let at = 0; at < pipes.length; at += share) {
    const holder = startScript<PipeHolderAsk, unknown>(new URL("./pipe-holder.js", import.meta.url));
    holders.push(holder);
    holder.send({ pipes: pipes.slice(at, at + share) });
    await holder.next();
  }
  return async () => {
    for (const holder of holders) await holder.end();
  };
}
