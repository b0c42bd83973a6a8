import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { jobDirectory } from "@galaxy-jobs/handler";
import { earlierAttempts, jobHistory, resumeJobIfPaused, type JobRow } from "@galaxy-jobs/shared-db";
import { makeSite, type Site, type SiteTool } from "../support/site.ts";
import { until } from "../support/until.ts";

/** A tree of processes that ignore SIGTERM, one of them in a session of its own; it writes down their pids. */
const stubborn = [
  `trap '' TERM`,
  `echo kept; echo "to standard error" >&2`,
  `setsid sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &`,
  `sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &`,
  `echo $$ >> pids`,
  `while :; do sleep 1; done`,
].join("\n");

function limitedSite(
  limits: readonly Record<string, unknown>[],
  tools: readonly SiteTool[],
  resubmit: readonly Record<string, unknown>[] = [],
): Promise<Site> {
  return makeSite({
    handlers: [{ name: "handler0", pools: ["job-handlers"] }],
    tools,
    jobConf: {
      runners: { local: { load: "local", workers: 4 } },
      handling: { assign: ["db-skip-locked"] },
      execution: { environments: { local: { runner: "local", resubmit } } },
      limits,
    },
    galaxy: { job_runner_monitor_sleep: 0.05, cleanup_job: "never" },
  });
}

describe("a running job over a limit", function () {
  this.timeout(90_000);
  let site: Site;
  afterEach(() => site.stop());

  const row = async (id: number) =>
    (await site.database.sql<JobRow[]>`select * from job where id = ${id}`)[0]!;
  const running = async (id: number, lines: number) => {
    const job = await until(async () => ((await row(id)).state === "running" ? row(id) : undefined), {
      what: `job ${id} to run`,
      deadline: 30_000,
    });
    const pids = join(jobDirectory(site.config.jobWorkingDirectory, id, job.runFence!), "working", "pids");
    return until(
      async () => {
        const found = (await readFile(pids, "utf8").catch(() => "")).split("\n").filter(Boolean);
        return found.length === lines ? found.map(Number) : undefined;
      },
      { what: "the tool's processes", deadline: 30_000 },
    );
  };
  const alive = async (pids: readonly number[]) => {
    const states = await Promise.all(
      pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")),
    );
    // A zombie has ended; only nobody has asked for it yet.
    return pids.filter((_, index) => /\) [^ZX]/.test(states[index]!));
  };

  it("of walltime is ended with all its processes, keeps its streams, and is not tried elsewhere", async () => {
    site = await limitedSite(
      [{ type: "walltime", value: "00:00:03" }],
      [
        { id: "stubborn", command: stubborn },
        { id: "quick", seconds: 0 },
      ],
      [{ condition: "any_failure and attempt < 3" }],
    );
    await site.start("handler0");
    const [id, quick] = [await site.submit("stubborn"), await site.submit("quick")];
    const pids = await running(id, 3);
    const [job, other] = await site.ended([id, quick], 60_000);
    expect(job!.info).to.match(
      /^Job ran longer than the maximum allowed execution time \(runtime: 00:00:\d\d, limit: 00:00:03\), please try different inputs or parameters$/,
    );
    expect(job).to.include({ state: "error", exitCode: null, toolStdout: "kept\n" });
    expect(job!.toolStderr).to.equal("to standard error\n");
    expect(job!.jobMessages![0]!.type).to.equal("global_walltime_reached");
    expect(await alive(pids)).to.deep.equal([]);
    expect(await earlierAttempts(site.database.sql, id)).to.deep.equal([]);
    expect(other!.state).to.equal("ok");
  });

  it("of walltime is ended by the next process of its handler, which does not begin to count again", async () => {
    site = await limitedSite(
      [{ type: "walltime", value: "01:00:00" }],
      [{ id: "stubborn", command: stubborn }],
    );
    await site.start("handler0");
    const id = await site.submit("stubborn");
    const pids = await running(id, 3);
    await site.end("handler0", "SIGKILL");
    expect(await alive(pids)).to.have.lengthOf(3);
    await site.database.sql`update job set start_time = start_time - interval '90 minutes' where id = ${id}`;
    await site.start("handler0");
    const [job] = await site.ended([id], 60_000);
    expect(job!.info).to.match(/runtime: 01:3\d:\d\d, limit: 01:00:00/);
    expect(await alive(pids)).to.deep.equal([]);
  });

  it("ends for that reason too when its handler was killed while it ended the processes", async () => {
    site = await limitedSite(
      [{ type: "walltime", value: "00:00:02" }],
      [{ id: "stubborn", command: stubborn }],
    );
    const daemon = await site.start("handler0");
    const id = await site.submit("stubborn");
    const pids = await running(id, 3);
    await daemon.line(/job\.over_limit/);
    await site.end("handler0", "SIGKILL");
    await site.start("handler0");
    const [job] = await site.ended([id], 60_000);
    expect(job!.info).to.match(/^Job ran longer than the maximum allowed execution time/);
    expect(await alive(pids)).to.deep.equal([]);
  });

  for (const { what, command } of [
    { what: "an output file", command: "head -c 300000 /dev/zero > out.dat; sleep 600" },
    { what: "standard output", command: "head -c 300000 /dev/zero; sleep 600" },
  ]) {
    it(`of output_size is ended: ${what}`, async () => {
      const outputs = [{ name: "out", type: "data", format: "txt", from_work_dir: "out.dat" }];
      site = await limitedSite(
        [{ type: "output_size", value: "100K" }],
        [
          { id: "large", command, outputs },
          { id: "small", command: "head -c 90000 /dev/zero > out.dat; sleep 1", outputs },
        ],
        [{}],
      );
      await site.start("handler0");
      const [large, small] = [await site.submit("large"), await site.submit("small")];
      const [job, other] = await site.ended([large, small], 60_000);
      expect(job).to.include({
        state: "error",
        exitCode: null,
        info: "Job output file grew too large (greater than 100 KB), please try different inputs or parameters",
      });
      expect(await earlierAttempts(site.database.sql, large)).to.deep.equal([]);
      expect(other!.state).to.equal("ok");
    });
  }

  it("of total_walltime, its user's, is paused, and runs once enough of the user's jobs are out of the window", async () => {
    site = await limitedSite(
      [{ type: "total_walltime", value: "10:00:00", window: 7 }],
      [{ id: "quick", seconds: 0 }],
    );
    await site.start("handler0");
    const before = await site.submit("quick");
    expect((await site.ended([before]))[0]!.state).to.equal("ok");
    await site.database.sql`
      update job set start_time = now() - interval '1 day 11 hours', end_time = now() - interval '1 day' where id = ${before}`;
    const [over, others] = [
      await site.submit("quick"),
      await site.submit("quick", { user: "other@example.org" }),
    ];
    const [paused, ok] = await site.ended([over, others]);
    expect(paused!.state).to.equal("paused");
    expect(paused!.info)
      .to.match(/^Execution of this dataset's job is paused because/)
      .and.contain("last 7 days ran 11:00:00 of 10:00:00 allowed (total_walltime)");
    expect(ok!.state).to.equal("ok");
    await resumeJobIfPaused(site.database.sql, over);
    await until(
      async () =>
        (await jobHistory(site.database.sql, over)).map(({ state }) => state).join(" ") ===
        "new paused new paused",
      { what: "the job to be paused again", deadline: 30_000 },
    );
    await site.database.sql`
      update job set start_time = start_time - interval '7 days', end_time = end_time - interval '7 days' where id = ${before}`;
    await resumeJobIfPaused(site.database.sql, over);
    expect((await site.ended([over]))[0]!.state).to.not.equal("error");
    await until(async () => (await row(over)).state === "ok", { what: "the job to run", deadline: 30_000 });
  });
});
