import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { judgeEnd, pendingReason, type PreparedRun } from "@galaxy-jobs/handler";
import { makeRoot, makeRun } from "./run-directory.ts";

describe("the end of a job of Slurm", () => {
  let root: string;
  let run: PreparedRun;

  before(async () => {
    root = await makeRoot();
  });
  after(() => rm(root, { recursive: true, force: true }));
  beforeEach(async () => {
    run = await makeRun(root, "exit 0");
  });

  const file = (ending: string) => join(run.directory, `galaxy_${run.jobId}.${ending}`);
  const judge = (state: string, reason = "None", nodes = "n3") =>
    judgeEnd(run, { id: "7", state, reason, nodes, comment: "" });

  for (const [state, kind, words] of [
    ["TIMEOUT", "walltime_reached", /ran longer than the maximum allowed job run time\.$/],
    ["DEADLINE", "walltime_reached", /before its deadline/],
    ["OUT_OF_MEMORY", "memory_limit_reached", /used more memory than it was allocated\.$/],
    ["CANCELLED", "unknown_error", /^This job failed because it was cancelled by an administrator\.$/],
    ["NODE_FAIL", "unknown_error", /node failed \(n3\) \(Slurm: NODE_FAIL\)/],
    ["BOOT_FAIL", "unknown_error", /could not be started \(n3\) \(Slurm: BOOT_FAIL\)/],
    ["PREEMPTED", "unknown_error", /preempted .*\(Slurm: PREEMPTED\)/],
    ["FAILED", "unknown_error", /reasons that could not be determined.*\(Slurm: FAILED, JobLaunchFailure\)/],
    ["SOMETHING_NEW", "unknown_error", /\(Slurm: SOMETHING_NEW, JobLaunchFailure\)/],
  ] as const)
    it(`is ${kind} when Slurm says ${state} and it left no exit code`, async () => {
      const end = await judge(state, "JobLaunchFailure");
      expect(end).to.include({ exitCode: null, state: kind });
      expect(end!.failure).to.match(words);
    });

  for (const state of ["COMPLETED", "FAILED", "NODE_FAIL"])
    it(`is the tool's exit code when Slurm says ${state} and the tool left one`, async () => {
      await writeFile(file("ec"), "3\n");
      expect(await judge(state)).to.deep.equal({ exitCode: 3, failure: null });
    });

  for (const state of ["TIMEOUT", "OUT_OF_MEMORY"])
    it(`is Slurm's when it says ${state}, also with an exit code`, async () => {
      await writeFile(file("ec"), "0\n");
      expect((await judge(state))!.failure).to.be.a("string");
    });

  it("is not known yet when Slurm says COMPLETED and there is no record", async () => {
    expect(await judge("COMPLETED")).to.equal(undefined);
  });

  for (const [words, state] of [
    ["slurmstepd-n0: error: StepId=7.batch exceeded memory limit (140 > 60), being killed", "FAILED"],
    ["slurmstepd: error: Exceeded job memory limit", "CANCELLED"],
  ] as const)
    it(`is over its memory when Slurm says ${state} and its stderr ends with "${words}"`, async () => {
      await writeFile(file("e"), `${"x".repeat(5_000)}\n${words}\n`);
      expect(await judge(state)).to.include({
        state: "memory_limit_reached",
        failure: "This job was terminated because it used more memory than it was allocated.",
      });
    });

  it("is probably over its memory when it was cancelled after a warning", async () => {
    await writeFile(file("e"), "slurmstepd: error: Exceeded step memory limit at some point.\n");
    expect(await judge("CANCELLED")).to.include({
      state: "memory_limit_reached",
      failure: "This job was cancelled probably because it used more memory than it was allocated.",
    });
  });

  it("takes Slurm's own warnings out of the stderr of a job that did well, and nothing else", async () => {
    await writeFile(file("ec"), "0\n");
    const own = "slurmstepd: error: Exceeded step memory limit at some point.\n";
    await writeFile(file("e"), `first\n${own}it says: ${own}last\n`);
    expect(await judge("COMPLETED")).to.deep.equal({ exitCode: 0, failure: null });
    expect(await readFile(file("e"), "utf8")).to.equal(`first\nit says: ${own}last\n`);
  });

  it("keeps them where the job failed", async () => {
    await writeFile(file("ec"), "1\n");
    await writeFile(file("e"), "slurmstepd: error: Exceeded step memory limit at some point.\n");
    expect(await judge("COMPLETED")).to.include({ exitCode: 1 });
    expect(await readFile(file("e"), "utf8")).to.match(/at some point/);
  });
});

describe("the reason why a job waits in Slurm", () => {
  for (const [reason, words] of [
    ["Resources", "Slurm: the cluster's nodes are busy (Resources)"],
    ["Priority", "Slurm: jobs of a higher priority are ahead of it (Priority)"],
    [
      "QOSMaxCpuPerUserLimit",
      "Slurm: a limit of its quality of service or account is reached (QOSMaxCpuPerUserLimit)",
    ],
    [
      "ReqNodeNotAvail, UnavailableNodes:n1",
      "Slurm: nodes that it needs are not available (ReqNodeNotAvail, UnavailableNodes:n1)",
    ],
    ["SomethingNew", "Slurm: SomethingNew"],
  ] as const)
    it(`${reason} is told in words, with Slurm's own`, () => {
      expect(pendingReason(reason)).to.equal(words);
    });
});
