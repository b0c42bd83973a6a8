import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { SlurmRunner, type PreparedRun, type RunEnd, type StartedRun } from "@galaxy-jobs/handler";
import { until } from "../support/until.ts";
import { makeRoot, makeRun, written } from "./run-directory.ts";
import { missingForAccounting } from "./slurm-accounting-daemons.ts";
import { missingForCgroups, missingForSlurm, startSlurm, type SlurmTestCluster } from "./slurm-cluster.ts";

const execute = promisify(execFile);
const waiting = "echo here >> here; while [ ! -e ../go ]; do sleep 0.05; done; exit 7";
const go = (run: PreparedRun) => writeFile(join(run.directory, "go"), "");

/** Partitions whose jobs go when one of `urgent` comes, and a node that never boots. */
const lines = [
  "PreemptType=preempt/partition_prio",
  "PreemptMode=REQUEUE",
  "PartitionName=scavenge Nodes=n1 PriorityTier=1 PreemptMode=CANCEL DefMemPerCPU=200",
  "PartitionName=polite Nodes=n1 PriorityTier=1 PreemptMode=REQUEUE DefMemPerCPU=200",
  "PartitionName=urgent Nodes=n1 PriorityTier=10 PreemptMode=OFF DefMemPerCPU=200",
  "SuspendProgram=/bin/true",
  "ResumeProgram=/bin/true",
  "ResumeTimeout=3",
  "SuspendTimeout=3",
  "SuspendTime=600",
  "SuspendExcNodes=n0,n1",
  `NodeName=cloud0 NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=1 State=CLOUD`,
  "PartitionName=cloud Nodes=cloud0 DefMemPerCPU=200",
];

describe("jobs of a Slurm with accounting (slurmctld, slurmd, slurmdbd, mariadbd, munged)", function () {
  this.timeout(180_000);
  let cluster: SlurmTestCluster;
  let root: string;
  let runners: SlurmRunner[];
  let runs: PreparedRun[];
  const troubles: unknown[] = [];

  before(async function () {
    const missing = missingForSlurm() ?? missingForAccounting();
    if (missing !== undefined) {
      console.log(`      needs Slurm and slurmdbd of its own: ${missing}`);
      this.skip();
    }
    cluster = await startSlurm({
      minJobAge: 2,
      accounting: true,
      cgroups: missingForCgroups() === undefined,
      lines,
    });
    root = await makeRoot();
    await cluster.run("sacctmgr", "-i", "add", "user", "nobody", "Account=lab", "AdminLevel=Operator");
    await cluster.run("sacctmgr", "-i", "add", "qos", "tight", "MaxSubmitJobsPerUser=1");
    await cluster.run("sacctmgr", "-i", "add", "qos", "single", "MaxJobsPerUser=1");
    await cluster.run("sacctmgr", "-i", "modify", "user", "root", "set", "qos=normal,tight,single");
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

  type Started = StartedRun & { readonly run: PreparedRun; readonly reasons: readonly string[] };

  async function start(tool: string, options = "", runner = newRunner()): Promise<Started> {
    const run = await makeRun(root, tool, { params: { nativeSpecification: options } });
    runs.push(run);
    const started = await runner.start(run);
    const reasons: string[] = [];
    started.queue!.follow(({ reason }) => reasons.push(reason));
    return { run, reasons, ...started };
  }

  const hasReason = ({ reasons }: Started, pattern: RegExp) =>
    until(() => reasons.some((reason) => pattern.test(reason)), {
      what: `a reason like ${pattern} among ${JSON.stringify(reasons)}`,
      deadline: 60_000,
    });

  const scancelAs = (user: string, id: string) =>
    execute("setpriv", ["--reuid", user, "--clear-groups", "scancel", id], {
      env: { ...process.env, SLURM_CONF: cluster.conf },
      timeout: 30_000,
    });

  /** Takes all of node n1. */
  const comeUrgently = () =>
    cluster.run("sbatch", "--parsable", "-p", "urgent", "-c4", "-o", "/dev/null", "--wrap", "sleep 1");

  const file = (run: PreparedRun, name: string) =>
    readFile(join(run.directory, name), "utf8").catch(() => undefined);

  const forgotten = () =>
    until(async () => (await cluster.run("squeue", "-h", "-t", "all", "-o", "%i")) === "", {
      what: "slurmctld to forget its jobs",
      deadline: 120_000,
      every: 500,
    });

  it("a cancelled job fails with the name of the user who cancelled it", async () => {
    const [byOther, byOwner] = [await start("sleep 300"), await start("sleep 300", "--hold -M test")];
    await byOther.queue!.begun;
    await scancelAs("nobody", byOther.externalId);
    await cluster.run("scancel", byOwner.externalId);
    expect((await byOther.ended).failure).to.equal(
      "This job failed because it was cancelled by an administrator (nobody).",
    );
    expect((await byOwner.ended).failure).to.equal(
      "This job failed because it was cancelled in Slurm by the user that Galaxy's jobs run as (root).",
    );
  });

  it("jobs that the controller has forgotten end as the accounting says, once it answers", async () => {
    const runner = newRunner();
    const cancelled = await start(waiting, "", runner);
    const preempted = await start(waiting, "-p scavenge -c4", runner);
    const unbootable = await start(waiting, "-p cloud", runner);
    const failed = await start("exit 9", "", runner);
    for (const { run } of [cancelled, preempted]) await written(run, "here");
    await failed.ended;
    await runner.close();
    await scancelAs("nobody", cancelled.externalId);
    await comeUrgently();
    await forgotten();
    await cluster.kill("slurmdbd");
    const next = newRunner({ forgotten: 100 });
    const recover = async ({ run }: Started): Promise<RunEnd> => {
      const found = await next.recover(run);
      if (found.found === "ended") return found.end;
      if (found.found !== "running") throw new Error(`found ${found.found}`);
      return found.ended;
    };
    const ends = [cancelled, preempted, unbootable, failed].map(recover);
    // Its own record needs no accounting.
    expect(await ends[3]).to.include({ exitCode: 9, failure: null });
    await until(() => troubles.some((error) => /database/i.test(String(error))), {
      what: "a question to the accounting",
      deadline: 60_000,
    });
    const nothing = Promise.resolve("nothing concluded");
    expect(await Promise.race([...ends.slice(0, 3), nothing])).to.equal("nothing concluded");
    await cluster.start("slurmdbd");
    expect((await ends[0]!).failure).to.equal(
      "This job failed because it was cancelled by an administrator (nobody).",
    );
    expect((await ends[1]!).failure).to.match(/preempted by one of a higher priority \(Slurm: PREEMPTED\)/);
    expect((await ends[2]!).failure).to.match(/The job's node failed \(cloud0\) \(Slurm: NODE_FAIL\)/);
  });

  it("a job that the kernel held to its memory reaches the memory limit, whatever it made of that", async function () {
    const missing = missingForCgroups();
    if (missing !== undefined) {
      console.log(`      ${missing}`);
      this.skip();
    }
    const hog = "x=$(head -c 400000000 /dev/zero | tr '\\0' x); sleep 60; echo ${#x}";
    const [over, calm] = [await start(hog, "--mem=60"), await start(`(${hog}); exit 0`, "--mem=60")];
    for (const { ended } of [over, calm]) {
      const end = await ended;
      expect(end).to.include({ state: "memory_limit_reached" });
      expect(end.failure).to.equal(
        "This job was terminated because it used more memory than it was allocated.",
      );
    }
  });

  it("a job that is preempted is not run again by Slurm", async () => {
    const { run, ended } = await start(waiting, "-p polite -c4");
    await written(run, "here");
    await comeUrgently();
    const end = await ended;
    expect(end).to.include({ state: "unknown_error" });
    expect(end.failure).to.match(/\(Slurm: PREEMPTED\)/);
    expect(await written(run, "here")).to.equal("here");
  });

  it("a job that Slurm may start again begins anew in its directory as it was, and says that it waits", async () => {
    // The tool that is cut short leaves an exit code that must not count.
    const tool =
      "echo $SLURM_RESTART_COUNT >> ../starts; [ ! -e left ] || exit 1; echo here > left; while [ ! -e ../go ]; do sleep 0.05; done; exit 5";
    const preempted = await start(tool, "--requeue -p polite -c4");
    const byAdmin = await start(tool, "--requeue -M test");
    const started = async ({ run }: Started, count: number) =>
      until(async () => (await file(run, "starts"))?.split("\n").length === count + 1, {
        what: `start ${count} of run ${run.jobId}`,
        deadline: 120_000,
      });
    for (const one of [preempted, byAdmin]) await started(one, 1);
    await comeUrgently();
    await cluster.run("scontrol", "requeue", byAdmin.externalId);
    for (const one of [preempted, byAdmin])
      await hasReason(one, /^Slurm has put the job back into its queue; Slurm: its begin time has not come/);
    for (const one of [preempted, byAdmin]) await started(one, 2);
    await until(() => [preempted, byAdmin].every(({ reasons }) => reasons.at(-1) === ""), {
      what: "both to run again",
      deadline: 60_000,
    });
    for (const { run } of [preempted, byAdmin]) await go(run);
    for (const { ended } of [preempted, byAdmin])
      expect(await ended).to.include({ exitCode: 5, failure: null });
    for (const { run } of [preempted, byAdmin]) expect(await file(run, "starts")).to.match(/^0?\n1\n$/);
  });

  it("a job whose node was given up is not run beside its own processes, nor again once they ended well", async () => {
    const { run, ended, externalId } = await start(
      "echo here >> ../here; while [ ! -e ../go ]; do sleep 0.05; done",
      "--requeue -w n1",
    );
    await until(() => file(run, "here"), { what: "its begin", deadline: 60_000 });
    await cluster.kill("n1");
    await cluster.run("scontrol", "update", "nodename=n1", "state=down", "reason=test");
    await until(async () => (await cluster.run("squeue", "-h", "-o", "%T", "-j", externalId)) === "PENDING", {
      what: "Slurm to give the node up",
      deadline: 60_000,
      every: 200,
    });
    await cluster.run("scontrol", "update", `jobid=${externalId}`, "reqnodelist=n0");
    await until(() => file(run, "begun.1"), { what: "its next start", deadline: 60_000 });
    await go(run);
    expect(await ended).to.include({ exitCode: 0, failure: null });
    expect(await file(run, "here")).to.equal("here\n");
    await cluster.start("n1");
  });

  it("a suspended job goes on, and one over its deadline reaches the walltime", async () => {
    const late = await start("sleep 300", "--deadline=now+5");
    const suspended = await start(waiting);
    await written(suspended.run, "here");
    await cluster.run("scontrol", "suspend", suspended.externalId);
    await go(suspended.run);
    expect(await late.ended).to.include({ state: "walltime_reached" });
    await cluster.run("scontrol", "resume", suspended.externalId);
    expect(await suspended.ended).to.include({ exitCode: 7, failure: null });
  });

  it("a limit on jobs given in makes jobs wait with Slurm's word, and holds up no others", async () => {
    const runner = newRunner();
    const first = await start(waiting, "--qos=tight", runner);
    const more = await Promise.all([1, 2, 3, 4, 5].map(() => start("exit 3", "--qos=tight", runner)));
    await hasReason(more[0]!, /^Slurm takes no more such jobs now: QOSMaxSubmitJobPerUserLimit; .*violates/);
    expect((await (await start("exit 2", "", runner)).ended).exitCode).to.equal(2);
    await go(first.run);
    expect((await first.ended).exitCode).to.equal(7);
    for (const { ended } of more.slice(0, 2)) expect((await ended).exitCode).to.equal(3);
  });

  it("says which limit a job waits for in the queue, and what Slurm refuses", async () => {
    const first = await start(waiting, "--qos=single");
    const second = await start("exit 3", "--qos=single");
    await hasReason(second, /a limit of its quality of service .* is reached \(QOSMaxJobsPerUserLimit\)/);
    await go(first.run);
    expect((await second.ended).exitCode).to.equal(3);
    for (const [options, words] of [
      ["--qos=nope", /^Slurm refused the job: .*Invalid qos specification/],
      ["--account=nolab", /Invalid account/],
      ["--constraint=gpu", /Invalid feature specification/],
    ] as const)
      expect((await (await start("exit 0", options)).ended).failure).to.match(words);
  });
});
