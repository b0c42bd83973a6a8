import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { explainJob } from "@galaxy-jobs/handler";
import {
  earlierAttempts,
  jobHistory,
  requestJobDeletion,
  writeJobLock,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { makeSite, type Site, type SiteTool } from "../support/site.ts";
import { until } from "../support/until.ts";

const everyone = ["handler0", "handler1"].map((name) => ({ name, pools: ["job-handlers"] }));
const where = (name: string) => [{ name: "WHERE", value: name }];

type Rule = Record<string, unknown>;

/** A site whose tools start on `first`, which has some rules, and may go to `second`, or by their tag to `third` or `fourth`. */
function siteWith(
  resubmit: readonly Rule[],
  tools: readonly SiteTool[],
  more: {
    handlers?: Parameters<typeof makeSite>[0]["handlers"];
    first?: Record<string, unknown>;
    galaxy?: Record<string, unknown>;
    limits?: readonly Record<string, unknown>[];
  } = {},
): Promise<Site> {
  const local = { runner: "local" };
  return makeSite({
    handlers: more.handlers ?? everyone,
    tools,
    jobConf: {
      runners: { local: { load: "local", workers: 4 } },
      handling: { assign: ["db-skip-locked"] },
      execution: {
        default: "first",
        environments: {
          first: { ...local, env: where("first"), resubmit, ...more.first },
          second: { ...local, env: where("second") },
          third: { ...local, tags: ["group"], env: where("third") },
          fourth: { ...local, tags: ["group"], env: where("fourth") },
        },
      },
      limits: more.limits ?? [],
    },
    galaxy: { job_runner_monitor_sleep: 0.05, ...more.galaxy },
  });
}

describe("a failed job", function () {
  this.timeout(90_000);
  let site: Site;
  afterEach(() => site.stop());

  const row = async (id: number) =>
    (await site.database.sql<JobRow[]>`select * from job where id = ${id}`)[0]!;
  const attempts = (id: number) => earlierAttempts(site.database.sql, id);
  const states = async (id: number) => (await jobHistory(site.database.sql, id)).map(({ state }) => state);
  const inState = (id: number, state: string) =>
    until(async () => ((await row(id)).state === state ? row(id) : undefined), {
      what: `job ${id} to be ${state}`,
      deadline: 30_000,
    });

  it("goes to the destination that the first rule names whose condition holds, and its attempt is kept", async () => {
    site = await siteWith(
      [
        { condition: "walltime_reached or memory_limit_reached or unknown_error", environment: "third" },
        { condition: "tool_detected_failure and attempt < 3", environment: "second" },
        { environment: "fourth" },
      ],
      [{ id: "flaky", command: `echo "to $WHERE"; echo oh >&2; [ "$WHERE" = second ] || exit 3` }],
    );
    await site.start("handler0");
    const id = await site.submit("flaky");
    const [job] = await site.ended([id]);
    expect(job).to.include({ state: "ok", destinationId: "second", exitCode: 0 });
    expect(job!.toolStdout).to.equal("to second\n");
    expect(await states(id)).to.deep.equal([
      "new",
      "queued",
      "running",
      "resubmitted",
      "queued",
      "running",
      "ok",
    ]);
    const [attempt, ...others] = await attempts(id);
    expect(others).to.deep.equal([]);
    expect(attempt).to.include({
      attempt: 1,
      destinationId: "first",
      cause: "tool_detected_failure",
      exitCode: 3,
      toolStdout: "to first\n",
      toolStderr: "oh\n",
    });
    expect(attempt!.info).to.contain("Exit code 3");
    const reason = (await jobHistory(site.database.sql, id)).find(({ state }) => state === "resubmitted");
    expect(reason!.info).to.equal(
      "This job was resubmitted to the queue because it encountered a tool detected error condition on its compute resource.",
    );
    expect(await site.runs()).to.deep.equal([id, id]);
  });

  it("is tried again as often as the condition says, and then ends in error", async () => {
    site = await siteWith([], [{ id: "flaky", command: `echo "$WHERE"; exit 1` }], {
      galaxy: { default_job_resubmission_condition: "any_failure and attempt < 4" },
    });
    await Promise.all(everyone.map(({ name }) => site.start(name)));
    const ids = await Promise.all([site.submit("flaky"), site.submit("flaky"), site.submit("flaky")]);
    for (const job of await site.ended(ids)) {
      expect(job).to.include({ state: "error", exitCode: 1, destinationId: "first" });
      expect((await attempts(job.id)).map(({ attempt }) => attempt)).to.deep.equal([1, 2, 3]);
    }
    expect((await site.runs()).toSorted((a, b) => a - b)).to.deep.equal(
      ids.toSorted((a, b) => a - b).flatMap((id) => [id, id, id, id]),
    );
  });

  it("waits for its delay, says so, and is deleted at once when somebody asks meanwhile", async () => {
    site = await siteWith(
      [{ condition: "attempt < 2", delay: "attempt * 600", environment: "second" }],
      [{ id: "flaky", command: "exit 1" }],
    );
    await site.start("handler0");
    const [waiting, deleted] = [await site.submit("flaky"), await site.submit("flaky")];
    for (const id of [waiting, deleted]) {
      const job = await inState(id, "resubmitted");
      expect(job.resubmitAfter!.getTime() - job.updateTime.getTime()).to.equal(600_000);
    }
    const { code, reason } = await explainJob(site.database.sql, site.config, await row(waiting));
    expect(code).to.equal("delay");
    expect(reason)
      .to.match(/^attempt 2 starts in \d+ s \(20.*Z\) on second: This job was resubmitted/)
      .and.contain("tool detected error");
    expect(await requestJobDeletion(site.database.sql, deleted, "enough")).to.deep.equal({
      outcome: "deleted",
    });
    await site.database.sql`update job set resubmit_after = now() where id = ${waiting}`;
    await site.ended([waiting]);
    expect((await row(deleted)).state).to.equal("deleted");
    expect((await site.runs()).filter((id) => id === deleted)).to.have.lengthOf(1);
  });

  it("does not start before a short delay is over", async () => {
    site = await siteWith([{ condition: "attempt < 2", delay: "1.5" }], [{ id: "flaky", command: "exit 1" }]);
    await site.start("handler0");
    const id = await site.submit("flaky");
    const after = (await inState(id, "resubmitted")).resubmitAfter!;
    await site.ended([id]);
    const queued = (await jobHistory(site.database.sql, id)).filter(({ state }) => state === "queued");
    expect(queued).to.have.lengthOf(2);
    expect(queued[1]!.createTime.getTime()).to.be.at.least(after.getTime());
  });

  it("goes to handlers of another tag and to a destination of a tag", async () => {
    site = await siteWith(
      [{ environment: "group", handler: "special" }],
      [{ id: "flaky", command: `case "$WHERE" in third|fourth) ;; *) exit 1 ;; esac` }],
      {
        handlers: [
          { name: "handler0", pools: ["job-handlers"] },
          { name: "handler1", pools: ["job-handlers.special"] },
        ],
      },
    );
    await site.start("handler0");
    const id = await site.submit("flaky");
    const job = await inState(id, "resubmitted");
    expect(job).to.include({ handler: "special", assignedHandler: "special", wantedDestination: "group" });
    const { code } = await explainJob(site.database.sql, site.config, job);
    expect(code, "nobody serves it yet").to.equal("no-pool");
    await site.start("handler1");
    const [ended] = await site.ended([id]);
    expect(ended).to.include({ state: "ok", handler: "handler1" });
    expect(ended!.destinationId).to.be.oneOf(["third", "fourth"]);
    expect((await attempts(id))[0]!.handler).to.equal("handler0");
  });

  it("is tried again when its processes vanished, and only that is an unknown error", async () => {
    site = await siteWith(
      [{ condition: "unknown_error", environment: "second" }],
      [
        { id: "vanishes", command: `[ "$WHERE" = second ] || sleep 600` },
        { id: "fails", command: "exit 1" },
      ],
    );
    await site.start("handler0");
    const [vanishes, fails] = [await site.submit("vanishes"), await site.submit("fails")];
    const { jobRunnerExternalId } = await inState(vanishes, "running");
    await until(async () => (await site.runs()).includes(vanishes), { what: "the tool to run" });
    // Its supervisor, and the session of its script.
    const script = execFileSync("ps", ["-o", "pid=", "--ppid", jobRunnerExternalId!], { encoding: "utf8" });
    process.kill(Number(jobRunnerExternalId), "SIGKILL");
    process.kill(-Number(script), "SIGKILL");
    const [first, second] = await site.ended([vanishes, fails]);
    expect(first).to.include({ state: "ok", destinationId: "second" });
    expect((await attempts(vanishes))[0]).to.include({ cause: "unknown_error", exitCode: null });
    expect(second).to.include({ state: "error", exitCode: 1 });
    expect(await attempts(fails)).to.deep.equal([]);
  });

  it("goes from a short walltime to a longer one, and nothing of the first attempt is left", async () => {
    site = await siteWith(
      [{ condition: "walltime_reached", environment: "second" }],
      [
        {
          id: "flaky",
          command: [
            `if [ "$WHERE" = first ]; then trap '' TERM; setsid sleep 600 & sleep 600 & echo started; wait; sleep 600; fi`,
            `echo "$WHERE"`,
          ].join("\n"),
        },
      ],
      { first: { walltime: "00:00:02" } },
    );
    await site.start("handler0");
    const id = await site.submit("flaky");
    const [job] = await site.ended([id], 60_000);
    expect(job).to.include({ state: "ok", destinationId: "second", toolStdout: "second\n" });
    const [attempt] = await attempts(id);
    expect(attempt).to.include({ cause: "walltime_reached", exitCode: null, toolStdout: "started\n" });
    expect(attempt!.info).to.match(
      /^Job ran longer than the maximum allowed execution time \(runtime: 00:00:\d\d, limit: 00:00:02\), please try/,
    );
  });

  it("is tried again by another handler when its own is killed while it waits", async () => {
    site = await siteWith(
      [{ condition: "attempt < 2", delay: "0.5", environment: "second" }],
      [{ id: "flaky", command: `[ "$WHERE" = second ] || exit 1` }],
    );
    await site.start("handler0");
    const id = await site.submit("flaky");
    await inState(id, "resubmitted");
    await site.end("handler0", "SIGKILL");
    await site.start("handler1");
    expect((await site.ended([id]))[0]).to.include({ state: "ok", destinationId: "second" });
  });

  it("is taken by the next process of its handler that was killed while it held the job", async () => {
    site = await siteWith(
      [{ condition: "attempt < 2", environment: "second" }],
      [
        { id: "flaky", command: `[ "$WHERE" = second ] || exit 1` },
        { id: "holder", gated: true },
      ],
      { limits: [{ type: "destination_total_concurrent_jobs", id: "second", value: 1 }] },
    );
    await site.start("handler0");
    const holder = await site.submit("holder");
    await inState(holder, "running");
    // It takes the one slot of `second` as far as the limit can see.
    await site.database.sql`update job set destination_id = 'second' where id = ${holder}`;
    const id = await site.submit("flaky");
    await until(async () => (await row(id)).state === "resubmitted" && (await row(id)).waitReason !== null, {
      what: "the job to wait at the handler",
      deadline: 30_000,
    });
    expect((await row(id)).incarnationId).to.not.equal(null);
    await site.end("handler0", "SIGKILL");
    await site.start("handler0");
    await site.openGate();
    expect((await site.ended([id]))[0]).to.include({ state: "ok", destinationId: "second" });
  });

  it("waits while the start of jobs is locked", async () => {
    site = await siteWith([{ condition: "attempt < 2", delay: "0.5" }], [{ id: "flaky", command: "exit 1" }]);
    await site.start("handler0");
    const id = await site.submit("flaky");
    await inState(id, "resubmitted");
    await writeJobLock(site.database.sql, true);
    await site.database
      .sql`update job set resubmit_after = now() where id = ${id} and incarnation_id is null`;
    const { code } = await explainJob(site.database.sql, site.config, await row(id));
    expect(code).to.be.oneOf(["locked", "handler"]);
    await writeJobLock(site.database.sql, false);
    expect((await site.ended([id]))[0]!.state).to.equal("error");
    expect(await attempts(id)).to.have.lengthOf(1);
  });
});
