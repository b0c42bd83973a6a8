import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { isAlive, ownIdentity, PidFile, processStartTime } from "@galaxy-jobs/runtime";
import { startDaemon, type Daemon } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

/** A daemon whose start and stop go as the environment says. */
const PROGRAM = `
  import { commandLine, daemonOptions, runDaemon } from ${JSON.stringify(import.meta.resolve("@galaxy-jobs/runtime"))};
  const parser = daemonOptions(commandLine("test-daemon", process.argv.slice(2))).version("1.2.3");
  let keep;
  await runDaemon({
    name: "test-daemon",
    arguments: await parser.parse(),
    check: () => (process.env.BAD_CHECK ? [{ key: "extra", message: "the extra check found something" }] : []),
    async main(context) {
      if (process.env.FAIL_START) throw new Error("the start failed on purpose");
      await context.run({
        name: "stubborn",
        start: async () => { keep = setInterval(() => undefined, 1000); },
        stop: () => process.env.NEVER_STOP ? new Promise(() => undefined) : Promise.resolve(clearInterval(keep)),
      });
    },
  });
`;

describe("A daemon", () => {
  let folder: string;
  let program: string;
  let pidFile: string;
  let started: Daemon[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "galaxy-test-daemon-"));
    program = join(folder, "daemon.mjs");
    pidFile = join(folder, "main.pid");
    started = [];
    writeFileSync(program, PROGRAM);
    writeFileSync(join(folder, "galaxy.yml"), "galaxy: {monitor_thread_join_timeout: 20}\n");
  });

  afterEach(async () => {
    for (const daemon of started) await daemon.stop("SIGKILL");
    const background = PidFile.holder(pidFile);
    if (background !== undefined) process.kill(background.pid, "SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  function start(args: string[], env: Record<string, string> = {}): Daemon {
    const daemon = startDaemon("test-daemon", program, ["-c", join(folder, "galaxy.yml"), ...args], env);
    started.push(daemon);
    return daemon;
  }

  /** Runs to its end. */
  async function run(args: string[], env: Record<string, string> = {}) {
    const daemon = start(args, env);
    const [code] = (await once(daemon.child, "close")) as [number];
    return { code, text: daemon.lines.join("\n") };
  }

  it("stops on SIGTERM with exit status 0 and removes its pid file", async () => {
    const daemon = start(["--pid-file", pidFile]);
    await daemon.line(/daemon\.ready/);
    expect(readFileSync(pidFile, "utf8")).to.match(new RegExp(`^${daemon.child.pid}\n`));
    expect(await daemon.stop()).to.equal(0);
    expect(existsSync(pidFile)).to.equal(false);
    await daemon.line(/daemon\.stopped/);
  });

  it("that does not stop is ended by a second signal, with 128 + its number", async () => {
    const daemon = start(["--pid-file", pidFile], { NEVER_STOP: "1" });
    await daemon.line(/daemon\.ready/);
    daemon.child.kill("SIGINT");
    await daemon.line(/daemon\.stopping/);
    expect(await daemon.stop("SIGTERM")).to.equal(128 + 2);
    expect(existsSync(pidFile)).to.equal(false);
  });

  it("that does not stop is ended when its time is up", async () => {
    writeFileSync(join(folder, "galaxy.yml"), "galaxy: {monitor_thread_join_timeout: 0.2}\n");
    const daemon = start([], { NEVER_STOP: "1" });
    await daemon.line(/daemon\.ready/);
    expect(await daemon.stop("SIGTERM")).to.equal(128 + 15);
  });

  it("opens its log anew on SIGUSR1 and SIGHUP, and never Node's debugger", async () => {
    const log = join(folder, "daemon.log");
    const daemon = start(["--log-file", log]);
    await until(() => existsSync(log) && readFileSync(log, "utf8").includes("daemon.ready"), {
      what: "the start",
    });
    for (const [index, signal] of (["SIGUSR1", "SIGHUP"] as const).entries()) {
      renameSync(log, `${log}.${index}`);
      daemon.child.kill(signal);
      await until(() => existsSync(log) && readFileSync(log, "utf8").includes(`signal=${signal}`), {
        what: signal,
      });
    }
    expect(await daemon.stop()).to.equal(0);
    expect(daemon.lines.join("\n")).not.to.include("Debugger");
  });

  it("goes to the background when it is ready, refuses a second one, and is stopped by --stop-daemon", async () => {
    const first = await run(["--daemonize", "--pid-file", pidFile]);
    expect(first).to.include({ code: 0 });
    const holder = PidFile.holder(pidFile);
    expect(first.text).to.include(`pid ${holder?.pid}`);
    const second = await run(["--daemon", "--pid-file", pidFile]);
    expect(second.code).to.equal(1);
    expect(second.text).to.include(`already running with pid ${holder?.pid}`);
    const third = await run(["--pid-file", pidFile]);
    expect(third.code).to.equal(1);
    const stop = await run(["--stop-daemon", "--pid-file", pidFile]);
    expect(stop).to.deep.equal({ code: 0, text: `test-daemon: stopped (pid ${holder?.pid})` });
    expect(existsSync(pidFile)).to.equal(false);
    expect(await run(["--stop-daemon", "--pid-file", pidFile])).to.include({ code: 0 });
  });

  it("that cannot start in the background says why in the foreground, with its exit status", async () => {
    const result = await run(["-d", "--pid-file", pidFile], { FAIL_START: "1" });
    expect(result.code).to.equal(1);
    expect(result.text).to.include("the start failed on purpose");
    expect(existsSync(pidFile)).to.equal(false);
  });

  it("replaces the pid file of a process that is gone, and of one that got its pid later", async () => {
    const gone = spawn(process.execPath, ["-e", ""]);
    await once(gone, "exit");
    for (const content of [
      `${gone.pid}\n5 boot\n`,
      `${process.pid}\n1 ${ownIdentity().bootId}\n`,
      "nonsense",
    ]) {
      writeFileSync(pidFile, content);
      const daemon = start(["--pid-file", pidFile]);
      await daemon.line(/daemon\.ready/);
      expect(readFileSync(pidFile, "utf8")).to.match(new RegExp(`^${daemon.child.pid}\n`));
      expect(await daemon.stop()).to.equal(0);
    }
  });

  it("checks without starting: 0 with warnings told, 1 with every fault", async () => {
    writeFileSync(join(folder, "galaxy.yml"), "galaxy: {brand: x}\n");
    const valid = await run(["check"]);
    expect(valid.code).to.equal(0);
    expect(valid.text)
      .to.match(/warning: .*brand/)
      .and.include("is valid");
    expect((await run(["check"], { BAD_CHECK: "1" })).text).to.include(
      "extra: the extra check found something",
    );
    writeFileSync(join(folder, "galaxy.yml"), "galaxy: {brnad: x, cleanup_job: y}\n");
    const faulty = await run(["check"]);
    expect(faulty.code).to.equal(1);
    expect(faulty.text).to.include("galaxy.brnad").and.include("galaxy.cleanup_job");
    expect(faulty.text).not.to.include("daemon.starting");
  });

  it("has help, a version, and suggestions for what it does not know", async () => {
    expect((await run(["--help"])).text)
      .to.include("--stop-daemon")
      .and.include("Signals:");
    expect((await run(["--version"])).text).to.equal("1.2.3");
    const unknown = await run(["--sever-name", "x"]);
    expect(unknown.code).to.equal(2);
    expect(unknown.text).to.include("did you mean --server-name?");
  });
});

describe("A process's identity", () => {
  it("is that of exactly this process", () => {
    expect(isAlive(ownIdentity())).to.equal(true);
    expect(isAlive({ ...ownIdentity(), startTime: "1" })).to.equal(false);
    expect(isAlive({ ...ownIdentity(), bootId: "another boot" })).to.equal(false);
    expect(processStartTime(0)).to.equal(undefined);
  });

  it("is read from a name with blanks and parentheses too", async () => {
    const odd = spawn(process.execPath, [
      "-e",
      "process.title = 'a) S 1 (b'; console.log(); process.stdin.resume()",
    ]);
    await once(odd.stdout, "data");
    const before = processStartTime(odd.pid ?? 0);
    expect(Number(before)).to.be.greaterThan(0);
    odd.stdin.end();
    await once(odd, "exit");
    expect(processStartTime(odd.pid ?? 0)).to.equal(undefined);
  });
});
