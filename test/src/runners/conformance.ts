import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { PreparedRun, Runner } from "@galaxy-jobs/handler";
import { until } from "../support/until.ts";
import { lives } from "./processes.ts";
import { makeRun, pidsIn, written } from "./run-directory.ts";

export interface RunnerUnderTest {
  /** A runner as the next process of the same handler would make it. */
  readonly make: () => Runner | Promise<Runner>;
  readonly root: () => string;
}

/** What any runner has to do; see runner.ts of the handler. */
export function describeRunner(what: string, { make, root }: RunnerUnderTest): void {
  describe(`${what}, as any runner`, () => {
    const runners: Runner[] = [];
    const started: { runner: Runner; run: PreparedRun }[] = [];

    async function newRunner(): Promise<Runner> {
      const runner = await make();
      runners.push(runner);
      return runner;
    }

    async function start(tool: string, runner?: Runner) {
      const used = runner ?? (await newRunner());
      const run = await makeRun(root(), tool);
      started.push({ runner: used, run });
      return { run, runner: used, ...(await used.start(run)) };
    }

    afterEach(async () => {
      for (const { run } of started.splice(0)) await (await newRunner()).stop(run);
      for (const runner of runners.splice(0)) await runner.close();
    });

    for (const code of [0, 1, 42, 128, 137, 255]) {
      it(`reports exit code ${code} as the tool left it`, async () => {
        const { ended, externalId } = await start(`exit ${code}`);
        const end = await ended;
        expect(end).to.include({ exitCode: code, failure: null });
        expect(externalId).to.match(/^\d+$/);
      });
    }

    it("has the streams complete when it reports the end", async () => {
      const { run, ended } = await start("seq 1 20000; echo trouble >&2");
      await ended;
      const stdout = await readFile(join(run.directory, "outputs", "tool_stdout"), "utf8");
      const stderr = await readFile(join(run.directory, "outputs", "tool_stderr"), "utf8");
      expect(stdout.trim().split("\n")).to.have.length(20_000);
      expect(stderr).to.equal("trouble\n");
    });

    it("tells a script that was killed by a signal from one that failed", async () => {
      const runner = await newRunner();
      const run = await makeRun(root(), "exit 0", { before: "kill -KILL $$" });
      const { ended } = await runner.start(run);
      const end = await ended;
      expect(end.exitCode).to.equal(null);
      expect(end.failure).to.match(/killed by signal 9 \(SIGKILL\)/);
    });

    it("reports the code of a script that ended before its tool", async () => {
      const runner = await newRunner();
      const run = await makeRun(root(), "exit 0", { before: "exit 137" });
      const { ended } = await runner.start(run);
      expect(await ended).to.include({ exitCode: 137, failure: null });
    });

    it("refuses to start a run twice", async () => {
      const { run, runner, ended } = await start("echo run >> runs");
      const again = await runner.start(run).then(
        () => "started",
        (error: Error) => error.message,
      );
      expect(again).to.match(/started before/);
      await ended;
      expect(await written(run, "runs")).to.equal("run");
    });

    it("stops a tree of processes and returns when none is left", async () => {
      const { run, runner, ended } = await start(
        "trap '' TERM; sleep 300 & echo $! >> pids; (sleep 300 & echo $! >> pids; wait) & echo $$ >> pids; wait",
      );
      const pids = await pidsIn(run, "pids", 3);
      await runner.stop(run);
      expect(pids.filter(lives)).to.deep.equal([]);
      await ended;
    });

    it("stops nothing when there is nothing: before the start, after the end, twice", async () => {
      const runner = await newRunner();
      await runner.stop(await makeRun(root(), "exit 0"));
      const { run, ended } = await start("exit 0", runner);
      await ended;
      await runner.stop(run);
      await runner.stop(run);
    });

    it("finds a run that was never started, and then nobody can start it", async () => {
      const runner = await newRunner();
      const run = await makeRun(root(), "exit 0");
      expect(await runner.recover(run)).to.deep.equal({ found: "not-started" });
    });

    it("finds a run under way, and its exact end", async () => {
      const { run, runner, externalId } = await start(
        "echo here > here; while [ ! -e go ]; do sleep 0.05; done; exit 7",
      );
      await written(run, "here");
      await runner.close();
      const recovered = await (await newRunner()).recover(run);
      if (recovered.found !== "running") throw new Error(`found ${recovered.found}`);
      expect(recovered.externalId).to.equal(externalId);
      await writeFile(join(run.directory, "working", "go"), "");
      expect(await recovered.ended).to.include({ exitCode: 7, failure: null });
    });

    it("finds a run that ended while nobody watched", async () => {
      const { run, runner } = await start("echo here > here; while [ ! -e go ]; do sleep 0.05; done; exit 7");
      await written(run, "here");
      await runner.close();
      await writeFile(join(run.directory, "working", "go"), "");
      const next = await newRunner();
      await until(async () => (await next.recover(run)).found === "ended", {
        what: "the end",
        deadline: 30_000,
      });
      const recovered = await next.recover(run);
      expect(recovered).to.have.property("found", "ended");
      expect((recovered as { end: object }).end).to.include({ exitCode: 7, failure: null });
    });
  });
}
