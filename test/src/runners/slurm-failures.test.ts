import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { SlurmRunner, type PreparedRun, type RunEnd, type StartedRun } from "@galaxy-jobs/handler";
import { until } from "../support/until.ts";
import { makeRoot, makeRun, written } from "./run-directory.ts";
import { missingForSlurm, startSlurm, type SlurmTestCluster } from "./slurm-cluster.ts";

const waiting = "echo here >> here; while [ ! -e go ]; do sleep 0.05; done; exit 7";
const go = (run: PreparedRun) => writeFile(join(run.directory, "working", "go"), "");

describe("jobs of a Slurm (slurmctld, slurmd, munged) that fails them", function () {
  this.timeout(240_000);
  let cluster: SlurmTestCluster;
  let root: string;
  let runners: SlurmRunner[];
  let runs: PreparedRun[];
  const troubles: unknown[] = [];

  before(async function () {
    const missing = missingForSlurm();
    if (missing !== undefined) {
      console.log(`      needs Slurm of its own: ${missing}`);
      this.skip();
    }
    cluster = await startSlurm({ minJobAge: 5 });
    root = await makeRoot();
  });
  after(async () => {
    await cluster?.stop();
    if (root !== undefined) await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  beforeEach(() => {
    runners = [];
    runs = [];
    troubles.length = 0;
  });
  afterEach(async () => {
    const last = newRunner();
    await Promise.all(runs.map((run) => last.stop(run)));
    await Promise.all(runners.map((runner) => runner.close()));
  });

  function newRunner(patience: object = {}): SlurmRunner {
    const runner = new SlurmRunner(
      "slurm",
      { load: "slurm", workers: 4, params: { slurm_conf: cluster.conf } },
      { interval: 200, onTrouble: (error) => troubles.push(error), patience },
    );
    runners.push(runner);
    return runner;
  }

  async function start(
    tool: string,
    params: Record<string, unknown> = {},
    runner = newRunner(),
  ): Promise<StartedRun & { run: PreparedRun; runner: SlurmRunner }> {
    const run = await makeRun(root, tool, { params });
    runs.push(run);
    return { run, runner, ...(await runner.start(run)) };
  }

  /** All that a run says of its waiting, as it comes. */
  function reasonsOf({ queue }: StartedRun): string[] {
    const reasons: string[] = [];
    queue!.follow(({ reason }) => reasons.push(reason));
    return reasons;
  }

  /** The controller writes its state some seconds late, and begins its numbers of jobs anew when it has none. */
  async function saved({ externalId }: StartedRun): Promise<void> {
    const state = join(cluster.folder, "state", "job_state");
    const changed = Date.now();
    await cluster.run("scontrol", "update", `jobid=${externalId}`, "timelimit=600");
    await until(
      () =>
        stat(state).then(
          ({ mtimeMs }) => mtimeMs > changed,
          () => false,
        ),
      {
        what: "the controller's state to be saved",
        deadline: 60_000,
      },
    );
  }

  const hasReason = (reasons: readonly string[], pattern: RegExp) =>
    until(() => reasons.some((reason) => pattern.test(reason)), {
      what: `a reason like ${pattern} among ${JSON.stringify(reasons)}`,
      deadline: 60_000,
    });

  it("a job that Slurm refuses fails at once with Slurm's own words", async () => {
    const { ended } = await start("exit 0", { partition: "nowhere" });
    const end = await ended;
    expect(end.failure).to.match(/^Slurm refused the job: .*Invalid partition name specified/);
    expect(end.state).to.equal("unknown_error");
    const large = await start("exit 0", { nativeSpecification: "--mem=99999999" });
    expect((await large.ended).failure).to.match(/Requested node configuration is not available/);
  });

  it("a job that somebody cancels is told from one that failed", async () => {
    const { run, ended, externalId, queue } = await start(waiting);
    await written(run, "here");
    await cluster.run("scancel", externalId);
    const end = await ended;
    expect(end.failure).to.match(/^This job failed because it was cancelled by an administrator\.$/);
    expect(await queue!.begun).to.equal(externalId);
  });

  it("a job over its memory reaches the memory limit", async () => {
    const hog = "x=$(head -c 400000000 /dev/zero | tr '\\0' x); sleep 60; echo ${#x}";
    const { ended } = await start(hog, { memory: "60" });
    const end = await ended;
    expect(end).to.include({ state: "memory_limit_reached" });
    expect(end.failure).to.equal(
      "This job was terminated because it used more memory than it was allocated.",
    );
  });

  it("says why a job waits, and runs it when a node is back", async () => {
    for (const node of ["n0", "n1"])
      await cluster.run("scontrol", "update", `nodename=${node}`, "state=drain", "reason=test");
    const started = await start("exit 4");
    const reasons = reasonsOf(started);
    await hasReason(reasons, /nodes that it needs are not available \(ReqNodeNotAvail|\(Resources\)/);
    for (const node of ["n0", "n1"])
      await cluster.run("scontrol", "update", `nodename=${node}`, "state=resume");
    expect(await started.queue!.begun).to.equal(started.externalId);
    expect((await started.ended).exitCode).to.equal(4);
  });

  it("a job that is stopped before it began never begins", async () => {
    const { run, runner, ended, externalId } = await start("echo ran > ran", {
      nativeSpecification: "--hold",
    });
    await runner.stop(run);
    expect((await ended).failure).to.be.a("string");
    expect(await cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", externalId)).to.equal(
      "CANCELLED",
    );
    expect(await readdir(join(run.directory, "working"))).to.deep.equal([]);
  });

  it("finds a job again whose id was not written before the crash, and runs it once", async () => {
    const { run, runner, externalId } = await start(waiting);
    await written(run, "here");
    await runner.close();
    await rm(join(run.directory, "slurm_job"));
    await rm(join(run.directory, "begun.0"));
    const recovered = await newRunner().recover(run);
    if (recovered.found !== "running") throw new Error(`found ${recovered.found}`);
    await until(
      async () =>
        (await readFile(join(run.directory, "slurm_job"), "utf8").catch(() => "")).trim() === externalId,
      {
        what: "its job to be found by its comment",
        deadline: 30_000,
      },
    );
    await writeFile(join(run.directory, "begun.0"), `${externalId} here\n`);
    await go(run);
    expect((await recovered.ended).exitCode).to.equal(7);
    expect(await readFile(join(run.directory, "working", "here"), "utf8")).to.equal("here\n");
  });

  it("submits a run whose handler died just before sbatch", async () => {
    const run = await makeRun(root, "echo ran >> ran; exit 5");
    await writeFile(join(run.directory, "submission"), "submitted by process 1\n");
    const recovered = await newRunner().recover(run);
    if (recovered.found !== "running") throw new Error(`found ${recovered.found}`);
    expect((await recovered.ended).exitCode).to.equal(5);
  });

  it("runs a job once that Slurm got twice", async () => {
    const { run, runner } = await start(waiting, { nativeSpecification: "--hold" });
    await runner.close();
    const id = (await readFile(join(run.directory, "slurm_job"), "utf8")).trim();
    // As an sbatch of a dead handler that got through late.
    const script = join(root, "twin.sh");
    await cluster.run("scontrol", "write", "batch_script", id, script);
    const twin = await cluster.run("sbatch", "--parsable", "--output=/dev/null", script);
    await written(run, "here");
    const recovered = await newRunner().recover(run);
    await cluster.run("scontrol", "release", id);
    await go(run);
    if (recovered.found !== "running") throw new Error(`found ${recovered.found}`);
    expect((await recovered.ended).exitCode).to.equal(7);
    expect(await readFile(join(run.directory, "working", "here"), "utf8")).to.equal("here\n");
    expect(await readFile(join(run.directory, "begun.0"), "utf8")).to.match(new RegExp(`^${twin} `));
  });

  it("starts a hundred jobs at once, each of which runs once", async () => {
    const runner = newRunner();
    const started = await Promise.all(
      Array.from({ length: 100 }, () => start("echo ran >> ran; exit 3", {}, runner)),
    );
    const ends: RunEnd[] = await Promise.all(started.map(({ ended }) => ended));
    expect(ends.filter(({ exitCode }) => exitCode !== 3)).to.deep.equal([]);
    for (const { run } of started)
      expect(await readFile(join(run.directory, "working", "ran"), "utf8")).to.equal("ran\n");
  });

  describe("whose controller is killed", () => {
    afterEach(async () => {
      if (
        !(await cluster.run("scontrol", "ping").then(
          (text) => text.includes(" UP"),
          () => false,
        ))
      )
        await cluster.start("slurmctld");
    });

    it("collects what ended meanwhile, and submits once what came meanwhile", async () => {
      const early = await start(waiting, {}, newRunner({ ghost: 1_000 }));
      await written(early.run, "here");
      await saved(early);
      await cluster.kill("slurmctld");
      await go(early.run);
      const late = await start("echo ran >> ran; exit 6");
      expect(late.externalId).to.equal("");
      await hasReason(reasonsOf(late), /^Slurm does not answer: .*(unable|contact|refused)/i);
      await cluster.start("slurmctld");
      expect((await late.ended).exitCode).to.equal(6);
      expect(await readFile(join(late.run.directory, "working", "ran"), "utf8")).to.equal("ran\n");
      expect((await early.ended).exitCode).to.equal(7);
    });

    it("lets a handler stop, and a deletion through, while nobody answers", async () => {
      const running = await start(waiting);
      await written(running.run, "here");
      await saved(running);
      await cluster.kill("slurmctld");
      const stopped = running.runner.stop(running.run).then(
        () => "stopped",
        (error: Error) => error.message,
      );
      running.runner.leave();
      expect(await stopped).to.match(/the handler stops/);
      const { run, runner, ended } = await start("echo ran > ran");
      await runner.stop(run);
      expect((await ended).failure).to.match(/cancelled before it began/);
      await cluster.start("slurmctld");
      const recovered = await newRunner().recover(run);
      if (recovered.found === "running") expect((await recovered.ended).failure).to.be.a("string");
      expect(await readdir(join(run.directory, "working"))).to.deep.equal([]);
      await go(running.run);
    });
  });

  describe("whose node daemon is killed", () => {
    afterEach(async () => {
      await cluster.kill("n1");
      await cluster.start("n1");
    });

    it("believes the run's own record against a controller that shows it as running", async () => {
      const runner = newRunner({ ghost: 500 });
      const { run, ended, externalId } = await start(waiting, { nodelist: "n1" }, runner);
      await written(run, "here");
      await cluster.kill("n1");
      await go(run);
      expect((await ended).exitCode).to.equal(7);
      expect(await cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", externalId)).to.match(
        /^(RUNNING|COMPLETING)$/,
      );
    });

    it("waits for the processes that outlive it, and reports their exit code", async () => {
      const { run, runner, ended, externalId } = await start(waiting, { nodelist: "n1" });
      await written(run, "here");
      await cluster.kill("n1");
      await cluster.run("scontrol", "update", "nodename=n1", "state=down", "reason=test");
      await until(
        async () =>
          (await cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", externalId)) === "NODE_FAIL",
        { what: "Slurm to give the node up", deadline: 120_000, every: 500 },
      );
      // Nor is a job gone that cannot be ended.
      const stopped = await runner.stop(run).then(
        () => "stopped",
        (error: Error) => error.message,
      );
      expect(stopped).to.match(/processes of it live on: end them on their node/);
      await go(run);
      expect((await ended).exitCode).to.equal(7);
      await runner.stop(run);
    });
  });

  it("tells of jobs that Slurm has forgotten by their records, and which left none", async () => {
    const [done, gone] = [await start("exit 9"), await start(waiting)];
    await written(gone.run, "here");
    await done.ended;
    await Promise.all([done.runner.close(), gone.runner.close()]);
    await cluster.run("scancel", "--signal=KILL", "--full", gone.externalId);
    await until(async () => (await cluster.run("squeue", "-h", "-t", "all", "-o", "%i")) === "", {
      what: "Slurm to forget them",
      deadline: 200_000,
      every: 1_000,
    });
    for (const name of ["ended", `galaxy_${gone.run.jobId}.ec`])
      await rm(join(gone.run.directory, name), { force: true });
    const next = newRunner({ forgotten: 1_000 });
    const [doneAgain, goneAgain] = [await next.recover(done.run), await next.recover(gone.run)];
    expect(doneAgain).to.have.property("found", "ended");
    expect((doneAgain as { end: RunEnd }).end).to.include({ exitCode: 9, failure: null });
    if (goneAgain.found !== "running") throw new Error(`found ${goneAgain.found}`);
    const end = await goneAgain.ended;
    expect(end.state).to.equal("job_output_not_returned_from_cluster");
    expect(end.failure).to.match(/Slurm no longer knows its job \d+, which began and left no exit status/);
  });
});
