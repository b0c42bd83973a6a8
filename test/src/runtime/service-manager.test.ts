import { execFileSync, spawn } from "node:child_process";
import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { until } from "../support/until.ts";
import { startDaemon, watch, type Daemon } from "../support/galaxy.ts";

/** Takes what systemd would, and writes each notification as a line of JSON. */
const RECEIVER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

const PROGRAM = `
  import { commandLine, daemonOptions, runDaemon } from ${JSON.stringify(import.meta.resolve("@galaxy-jobs/runtime"))};
  const parser = daemonOptions(commandLine("test-daemon", process.argv.slice(2)));
  let keep;
  await runDaemon({
    name: "test-daemon",
    arguments: await parser.parse(),
    async main(context) {
      context.logger.info("test.environment", { left: Object.keys(process.env).filter((key) => /NOTIFY|WATCHDOG/.test(key)) });
      await context.run({
        name: "waiting",
        start: async () => { keep = setTimeout(() => undefined, 2 ** 30); },
        stop: async () => clearTimeout(keep),
      });
    },
  });
`;

describe("A daemon that systemd started", () => {
  let folder: string;
  let systemd: Daemon;
  let started: Daemon[];

  before(function () {
    try {
      for (const program of ["systemd-notify", "python3"])
        execFileSync(program, ["--version"], { stdio: "ignore" });
    } catch {
      this.test!.title = "needs systemd-notify and python3";
      this.skip();
    }
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "galaxy-test-notify-"));
    writeFileSync(join(folder, "daemon.mjs"), PROGRAM);
    writeFileSync(join(folder, "galaxy.yml"), "galaxy: {attach_to_pools: [job-handlers]}\n");
    const receiver = spawn("python3", ["-c", RECEIVER, join(folder, "notify")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    systemd = watch("receiver", receiver);
    started = [systemd];
    await systemd.line(/listening/);
  });

  afterEach(async () => {
    for (const daemon of started ?? []) await daemon.stop("SIGKILL");
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  function start(env: Record<string, string>): Daemon {
    const args = ["-c", join(folder, "galaxy.yml")];
    const daemon = startDaemon("test-daemon", join(folder, "daemon.mjs"), args, {
      NOTIFY_SOCKET: join(folder, "notify"),
      ...env,
    });
    started.push(daemon);
    return daemon;
  }

  it("tells it when it starts, is ready, reloads and stops, in that order", async () => {
    const daemon = start({});
    await systemd.line(/READY=1\\nSTATUS=ready: main in job-handlers/);
    daemon.child.kill("SIGHUP");
    await systemd.line(/RELOADING=1/);
    await daemon.line(/log\.reopened/);
    expect(await daemon.stop()).to.equal(0);
    const told = systemd.lines
      .filter((line) => line.startsWith('"'))
      .map((line) => line.slice(1).split(/=1|\\n|"/)[0]);
    // By a barrier systemd-notify waits until what it said was read.
    expect(told.filter((word) => word !== "BARRIER")).to.deep.equal([
      "STATUS=starting",
      "READY",
      "RELOADING",
      "READY",
      "STOPPING",
    ]);
  });

  it("keeps its watchdog quiet while its event loop turns, and not while it stands still", async () => {
    const daemon = start({ WATCHDOG_USEC: "300000" });
    const count = (): number => systemd.lines.filter((line) => line.includes("WATCHDOG=1")).length;
    await systemd.line(/READY=1/);
    await systemd.line(/WATCHDOG=1/);
    daemon.child.kill("SIGSTOP");
    // One that was sent before the stop may still arrive.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const before = count();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(count()).to.equal(before);
    daemon.child.kill("SIGCONT");
    await until(() => count() > before, { what: "a keep-alive", deadline: 20_000 });
  });

  it("leaves nothing of that in its environment: a job cannot speak for the service by accident", async () => {
    const daemon = start({ WATCHDOG_USEC: "300000" });
    await daemon.line(/test\.environment.*left="?\[\]/);
  });

  it("ignores a watchdog that is another process's", async () => {
    const daemon = start({ WATCHDOG_USEC: "300000", WATCHDOG_PID: "1" });
    await systemd.line(/READY=1/);
    await daemon.stop();
    expect(systemd.lines.join("\n")).to.not.match(/WATCHDOG=1/);
  });

  it("goes on, with a warning, when it cannot be told anything", async () => {
    const daemon = start({ NOTIFY_SOCKET: join(folder, "nobody") });
    await daemon.line(/daemon\.service_manager_not_told/);
    expect(await daemon.stop()).to.equal(0);
    expect(daemon.lines.filter((line) => line.includes("not_told"))).to.have.length(1);
  });

  it("writes priorities, and no time, where standard error is the journal", () => {
    const log = join(folder, "journal");
    const descriptor = openSync(log, "a");
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    const env = { ...process.env, JOURNAL_STREAM: `${dev}:${ino}` };
    const check = [join(folder, "daemon.mjs"), "-c", join(folder, "galaxy.yml"), "--log-level", "debug"];
    const stdio = ["ignore", descriptor, descriptor] as const;
    const child = spawn(process.execPath, check, { env, stdio: [...stdio] });
    return new Promise<void>((resolve, reject) => {
      const look = setTimeout(function again() {
        const text = readFileSync(log, "utf8");
        if (!text.includes("daemon.ready")) return void look.refresh();
        child.kill();
      }, 50);
      child.once("exit", () => {
        clearTimeout(look);
        try {
          const lines = readFileSync(log, "utf8").trim().split("\n");
          expect(lines.find((line) => line.includes("daemon.ready"))).to.match(
            /^<6>daemon\.ready server=main$/,
          );
          expect(lines.find((line) => line.includes("service.started"))).to.match(/^<7>service\.started/);
          resolve();
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  });
});
