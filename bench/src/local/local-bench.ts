import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@galaxy-jobs/shared-db";
import { againstServer } from "../against.ts";
import type { Bench, Extent, Measures } from "../bench.ts";
import { mustEnd } from "../clean-up.ts";
import { makeDatabase } from "../database.ts";
import { temporaryFolder } from "../folder.ts";
import { makeSite, startHandler, type Site } from "../instance.ts";
import { insertWaitingJobs } from "../waiting-jobs.ts";

const jobs = 500;
const workers = 2;

/**
 * What a local job costs beside its processes. `the job script` is the one that our handler wrote for such a job, so the same
 * shells start and the same files are written; what it leaves out is everything that makes it a job: rows, directories, a
 * supervisor, the collection of its results. `/bin/true` itself is the least that there is.
 */
export const localBench: Bench = {
  name: "local",
  what: `${jobs} jobs of /bin/true, ${workers} at once: one handler, and xargs -P${workers} that starts the same script`,
  units: { jobs: "jobs/s" },
  reference: "xargs, the job script",
  subjects: [
    { name: "galaxy-jobs", round: (_: number, extent: Extent) => ours(extent) },
    {
      name: "xargs, the job script",
      round: (_: number, extent: Extent) => throughXargs(extent, jobScriptOf),
    },
    {
      name: "xargs, /bin/true",
      round: (_: number, extent: Extent) => throughXargs(extent, () => Promise.resolve("/bin/true")),
    },
  ],
  against: async () => `${await againstServer()}, the local runner`,
};

async function ours({ scale }: Extent): Promise<Measures> {
  const database = await makeDatabase({ migrated: true });
  const site = await makeSite(plan(database.url));
  try {
    const count = Math.ceil(jobs * scale);
    await insertWaitingJobs(database.sql, count);
    const handler = await startHandler(site, "handler0");
    await allEnded(database.sql, count);
    await handler.end();
    const [times] = await database.sql<{ seconds: number }[]>`
      select extract(epoch from (select max(end_time) from job) - (select min(create_time) from job_state_history
        where state = 'queued'))::float8 as seconds`;
    return { jobs: count / times!.seconds };
  } finally {
    await site.remove();
    await database.drop();
  }
}

function plan(database: string, galaxy: Readonly<Record<string, unknown>> = {}) {
  return { handling: { assign: ["db-skip-locked"] }, handlers: ["handler0"], workers, database, galaxy };
}

async function allEnded(sql: Database, count: number): Promise<void> {
  for (;;) {
    const [row] = await sql<{ ok: number; error: number }[]>`
      select count(*) filter (where state = 'ok')::int as ok, count(*) filter (where state = 'error')::int as error from job`;
    if (row!.error > 0) throw new Error(`${row!.error} jobs failed`);
    if (row!.ok === count) return;
    await sleep(50);
  }
}

async function throughXargs({ scale }: Extent, find: (folder: string) => Promise<string>): Promise<Measures> {
  const folder = await temporaryFolder("xargs");
  try {
    const script = await find(folder.path);
    const count = Math.ceil(jobs * scale);
    const numbers = join(folder.path, "numbers");
    await writeFile(numbers, Array.from({ length: count }, (_, at) => `${at}\n`).join(""));
    const began = performance.now();
    const xargs = spawn("xargs", ["-a", numbers, `-P${workers}`, "-n1", script], {
      stdio: ["ignore", "ignore", "inherit"],
      detached: true,
    });
    const ended = once(xargs, "exit");
    const forget = mustEnd(async () => void (xargs.exitCode === null && xargs.kill("SIGTERM")));
    const [code] = (await ended) as [number | null];
    const took = performance.now() - began;
    await forget();
    if (code !== 0) throw new Error(`xargs ended (${code})`);
    return { jobs: count / (took / 1000) };
  } finally {
    await folder.remove();
  }
}

/** One real job leaves its run directory; its script is then run again and again there. */
async function jobScriptOf(folder: string): Promise<string> {
  const database = await makeDatabase({ migrated: true });
  const site: Site = await makeSite(
    plan(database.url, { cleanup_job: "never", job_working_directory: join(folder, "runs") }),
  );
  try {
    await insertWaitingJobs(database.sql, 1);
    const handler = await startHandler(site, "handler0");
    await allEnded(database.sql, 1);
    await handler.end();
    const found = (await readdir(join(folder, "runs"), { recursive: true })).find((name) =>
      /galaxy_\d+\.sh$/.test(name),
    );
    if (found === undefined) throw new Error("the job left no script");
    const script = join(folder, "job-script");
    // As the supervisor starts it: in the run directory, by its shell, with its streams in files.
    const text = await readFile(join(folder, "runs", found), "utf8");
    await writeFile(script, text.replace(/\n/, `\ncd '${join(folder, "runs", found, "..")}' || exit 1\n`), {
      mode: 0o755,
    });
    return script;
  } finally {
    await site.remove();
    await database.drop();
  }
}
