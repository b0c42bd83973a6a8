import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { LocalRunner, type PreparedRun } from "@galaxy-jobs/handler";
import { until } from "../support/until.ts";
import { describeRunner } from "./conformance.ts";
import { lives } from "./processes.ts";
import { makeRoot, makeRun, pidsIn, written } from "./run-directory.ts";

let root: string;
const troubles: unknown[] = [];

function newRunner(params: Record<string, unknown> = {}): LocalRunner {
  return new LocalRunner(
    "local",
    { load: "local", workers: 4, params },
    { folder: join(root, "local-runner"), onTrouble: (error) => troubles.push(error) },
  );
}

const waiting = "echo $$ > here; while [ ! -e go ]; do sleep 0.05; done; exit 7";
const go = (run: PreparedRun) => writeFile(join(run.directory, "working", "go"), "");

/** The supervisor, as the record names it. */
async function supervisorOf(run: PreparedRun): Promise<number> {
  return until(
    async () => Number(/^supervised (\d+) /.exec(await readFile(join(run.directory, "record"), "utf8"))?.[1]),
    { what: "the supervisor", deadline: 30_000 },
  );
}

before(async () => {
  root = await makeRoot();
});
after(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));

describeRunner("LocalRunner", { make: () => newRunner(), root: () => root });
describeRunner("LocalRunner without cgroups", {
  make: () => newRunner({ cgroups: false }),
  root: () => root,
});

describe("LocalRunner", () => {
  let runner: LocalRunner;
  let runs: PreparedRun[];

  beforeEach(() => {
    runner = newRunner();
    runs = [];
    troubles.length = 0;
  });
  afterEach(async () => {
    for (const run of runs) await runner.stop(run);
    await runner.close();
    expect(troubles).to.deep.equal([]);
  });

  async function start(tool: string, options: Parameters<typeof makeRun>[2] = {}) {
    const run = await makeRun(root, tool, options);
    runs.push(run);
    return { run, ...(await runner.start(run)) };
  }

  describe("kill -9", () => {
    it("of the launcher touches no job, and the next start gets a new launcher", async () => {
      const { run, ended } = await start(waiting);
      await written(run, "here");
      const launcher = runner.launcherPid!;
      process.kill(launcher, "SIGKILL");
      const next = await start("exit 3");
      expect((await next.ended).exitCode).to.equal(3);
      expect(runner.launcherPid).to.not.equal(launcher);
      await go(run);
      expect((await ended).exitCode).to.equal(7);
    });

    it("of the launcher while runs are being started loses and doubles none", async () => {
      await (
        await start("exit 0")
      ).ended;
      const prepared = await Promise.all(Array.from({ length: 20 }, () => makeRun(root, "echo run >> runs")));
      runs.push(...prepared);
      process.kill(runner.launcherPid!, "SIGSTOP");
      const starting = prepared.map((run) => runner.start(run));
      await until(() => existsSync(join(prepared.at(-1)!.directory, "alive")), { what: "the last start" });
      process.kill(runner.launcherPid!, "SIGKILL");
      for (const { ended } of await Promise.all(starting)) expect((await ended).exitCode).to.equal(0);
      for (const run of prepared) expect(await written(run, "runs")).to.equal("run");
    });

    it("of the supervisor leaves the job watched to its end, with the exit code that it wrote", async () => {
      const { run, ended } = await start(waiting);
      await written(run, "here");
      process.kill(await supervisorOf(run), "SIGKILL");
      await runner.close();
      runner = newRunner();
      const recovered = await runner.recover(run);
      expect(recovered.found).to.equal("running");
      await go(run);
      expect(await (recovered as { ended: typeof ended }).ended).to.include({ exitCode: 7, failure: null });
    });

    it("of supervisor and job is named", async () => {
      const { run, ended } = await start(waiting);
      const tool = Number(await written(run, "here"));
      process.kill(await supervisorOf(run), "SIGKILL");
      for (const pid of await sessionOf(tool)) attempt(() => process.kill(pid, "SIGKILL"));
      const end = await ended;
      expect(end.exitCode).to.equal(null);
      expect(end.failure).to.match(/killed from outside/);
    });

    it("of the tool alone is an exit code like any other", async () => {
      const { run, ended } = await start(waiting);
      process.kill(Number(await written(run, "here")), "SIGKILL");
      expect(await ended).to.include({ exitCode: 137, failure: null });
    });
  });

  it("spares the supervisor when a signal goes to the job's group", async () => {
    const { run, ended } = await start(waiting);
    const tool = Number(await written(run, "here"));
    const group = Number(execFileSync("ps", ["-o", "pgid=", "-p", String(tool)], { encoding: "utf8" }));
    process.kill(-group, "SIGKILL");
    const end = await ended;
    expect(end.failure).to.match(/signal 9 \(SIGKILL\)/);
    expect(end.signal).to.equal(9);
  });

  it("names a restart of the machine", async () => {
    const { run, ended } = await start(waiting);
    const tool = Number(await written(run, "here"));
    const supervisor = await supervisorOf(run);
    await runner.close();
    process.kill(supervisor, "SIGKILL");
    for (const pid of await sessionOf(tool)) attempt(() => process.kill(pid, "SIGKILL"));
    await until(() => !lives(supervisor), { what: "the supervisor's end" });
    const record = join(run.directory, "record");
    const earlierBoot = (await readFile(record, "utf8")).replace(
      /[0-9a-f-]{36}/,
      "00000000-0000-4000-8000-000000000000",
    );
    await writeFile(record, earlierBoot);
    runner = newRunner();
    expect(await runner.recover(run)).to.deep.equal({
      found: "lost",
      reason: "The machine was restarted while the job ran.",
    });
    void ended;
  });

  it("signals nobody who only has the pid of a run's supervisor", async () => {
    const stranger = spawn("sleep", ["300"], { stdio: "ignore" });
    try {
      const { run, ended } = await start("exit 0");
      await ended;
      const record = join(run.directory, "record");
      const text = (await readFile(record, "utf8")).replace(
        /^supervised \d+ \d+/,
        `supervised ${stranger.pid} 1`,
      );
      await writeFile(record, text.replace(/\nend\n/, "\n   \n"));
      await runner.stop(run);
      expect(lives(stranger.pid!)).to.equal(true);
    } finally {
      stranger.kill("SIGKILL");
    }
  });

  for (const cgroups of [true, false]) {
    it(`stops processes that left session and parent${cgroups ? "" : " (without cgroups)"}`, async () => {
      await runner.close();
      runner = newRunner({ cgroups });
      const { run } = await start(
        [
          "trap '' TERM",
          `setsid bash -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &`,
          `(env -i PATH="$PATH" setsid bash -c 'echo $$ >> pids; while :; do sleep 1; done' &)`,
          `(setsid bash -c 'unset GALAXY_JOB_RUN_DIRECTORY; (setsid bash -c "echo \\$\\$ >> pids; sleep 300") &' &)`,
          "echo $$ >> pids",
          "wait",
        ].join("\n"),
      );
      const other = await start(waiting);
      const neighbour = Number(await written(other.run, "here"));
      const pids = await pidsIn(run, "pids", 4);
      const began = performance.now();
      await runner.stop(run);
      expect(pids.filter(lives)).to.deep.equal([]);
      // The promise is 2 s on a machine that has nothing else to do; here it is only seen to end by KILL, not by time-out.
      expect(performance.now() - began).to.be.lessThan(10_000);
      expect(lives(neighbour)).to.equal(true);
    });
  }

  it("does not take a run for another whose directory's name begins alike", async () => {
    const short = await start(waiting);
    await written(short.run, "here");
    const long = await makeRun(root, waiting);
    const alike = { ...long, directory: `${short.run.directory}0`, jobId: long.jobId };
    execFileSync("cp", ["-r", long.directory, alike.directory]);
    runs.push(alike);
    await runner.start(alike);
    const other = Number(await written(alike, "here"));
    await runner.stop(short.run);
    expect(lives(other)).to.equal(true);
  });

  it("ends what a job left behind before it reports the end", async () => {
    const { run, ended } = await start("setsid sleep 300 & echo $! > left; exit 0");
    expect(await ended).to.include({ exitCode: 0, failure: null });
    expect(lives(Number(await written(run, "left")))).to.equal(false);
  });

  it("tells a run that a stop closed before its supervisor began", async () => {
    await (
      await start("exit 0")
    ).ended;
    process.kill(runner.launcherPid!, "SIGSTOP");
    const run = await makeRun(root, "echo run >> runs");
    const starting = runner.start(run);
    await until(() => existsSync(join(run.directory, "alive")), { what: "the start" });
    await runner.stop(run);
    process.kill(runner.launcherPid!, "SIGCONT");
    await starting;
    expect(await runner.recover(run)).to.deep.equal({ found: "not-started", asked: true });
    await (
      await start("exit 0")
    ).ended;
    expect(existsSync(join(run.directory, "working", "runs"))).to.equal(false);
  });

  it("gives a job nothing of the handler: environment, descriptors, terminal, ignored signals", async () => {
    process.env["GALAXY_SECRET"] = "hunter2";
    try {
      await runner.close();
      runner = newRunner();
      const { run, ended } = await start(
        `env > environment; ls -l /proc/$$/fd > descriptors; grep SigIgn /proc/self/status > signals
         cat /proc/$$/oom_score_adj > oom; ps -o sid= -p $$ > session; echo ${process.pid} > handler`,
      );
      expect((await ended).exitCode).to.equal(0);
      expect(await written(run, "environment")).to.not.match(/hunter2|GALAXY_SECRET/);
      const descriptors = (await written(run, "descriptors")).split("\n").slice(1);
      const targets = descriptors.map((line) => line.split(" -> ")[1]!);
      expect(targets.filter((target) => /^(pipe|socket|anon_inode)/.test(target))).to.deep.equal([]);
      expect(await written(run, "signals")).to.match(/^SigIgn:\s0+$/);
      expect(Number(await written(run, "oom"))).to.equal(200);
    } finally {
      delete process.env["GALAXY_SECRET"];
    }
  });

  it("keeps the time and processor use of a run", async () => {
    const { ended } = await start("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
    const { usage } = await ended;
    expect(usage!.userSeconds! + usage!.systemSeconds!).to.be.greaterThan(0);
    expect(usage!.wallSeconds).to.be.at.least(0);
  });

  it("fails a start that is told of a bad memory_mb, naming the destination", async () => {
    const run = await makeRun(root, "exit 0", { params: { memory_mb: "much" } });
    const message = await runner.start(run).then(
      () => "started",
      (error: Error) => error.message,
    );
    expect(message).to.match(/destination here: memory_mb is "much"/);
  });

  it("names a job that ran out of the memory of its destination", async function () {
    const run = await makeRun(root, `head -c 200M /dev/zero | tail -c 200M > /dev/null`, {
      params: { memory_mb: 32 },
    });
    runs.push(run);
    const started = await runner.start(run).catch((error: Error) => error);
    if (started instanceof Error) {
      expect(started.message).to.match(/no memory control group can be made here/);
      return this.skip();
    }
    const end = await started.ended;
    expect(end.state).to.equal("memory_limit_reached");
    expect(end.failure).to.match(/ran out of memory/);
    expect(end.usage!.peakMemoryBytes).to.be.within(2 ** 20, 40 * 2 ** 20);
  });

  it("records the end of a job that filled the disk", async function () {
    const disk = join(root, "disk");
    await mkdir(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2M", "tmpfs", disk], { stdio: "ignore" });
    } catch {
      return this.skip();
    }
    try {
      await runner.close();
      runner = new LocalRunner(
        "local",
        { load: "local", workers: 1, params: {} },
        { folder: join(disk, "local-runner"), onTrouble: (error) => troubles.push(error) },
      );
      const run = await makeRun(disk, "cat /dev/zero > full; exit 9");
      const next = await makeRun(disk, "exit 0");
      const { ended } = await runner.start(run);
      expect(await ended).to.include({ exitCode: 9, failure: null });
      const refused = await runner.start(next).then(
        () => "started",
        (error: Error) => error.message,
      );
      expect(refused).to.match(/ENOSPC|No space left/);
    } finally {
      await runner.close();
      await until(() => attempt(() => execFileSync("umount", [disk], { stdio: "ignore" })), {
        what: "the disk to be free",
        deadline: 30_000,
      });
    }
  });

  it("removes the control groups of runs that ended", async function () {
    const { run, ended } = await start("cat /proc/self/cgroup > groups");
    await ended;
    const groups = await written(run, "groups");
    if (!groups.includes(`/galaxy-jobs/${run.jobId}.1`)) return this.skip();
    const left = await until(async () => (await findGroups(`${run.jobId}.1`)).length === 0, {
      what: "their removal",
    });
    expect(left).to.equal(true);
  });
});

/** The processes of the session that a process is in. */
async function sessionOf(pid: number): Promise<number[]> {
  const session = execFileSync("ps", ["-o", "sid=", "-p", String(pid)], { encoding: "utf8" }).trim();
  const pids = execFileSync("ps", ["-o", "pid=", "-s", session], { encoding: "utf8" });
  return pids.trim().split(/\s+/).map(Number);
}

async function findGroups(name: string): Promise<string[]> {
  const roots = (await readdir("/sys/fs/cgroup")).map((folder) =>
    join("/sys/fs/cgroup", folder, "galaxy-jobs", name),
  );
  return roots.filter((folder) => existsSync(folder));
}

function attempt(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
