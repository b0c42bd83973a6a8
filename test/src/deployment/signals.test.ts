import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { processStartTime } from "@galaxy-jobs/runtime";
import { programs, repository, startDaemon, type Daemon } from "../support/galaxy.ts";
import { startTree, type WebTree } from "../support/web-tree.ts";
import { until } from "../support/until.ts";

const patience = 60_000;

/** What docs/signals.md says of a process, by signal. */
async function documented(process: string): Promise<Map<string, string>> {
  const text = await readFile(join(repository, "docs", "signals.md"), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const head = rows.find(([first]) => first === "process")!;
  const row = rows.find(([first]) => first === process)!;
  return new Map(head.slice(1).map((signal, index) => [signal, row[index + 1]!]));
}

describe("docs/signals.md", function () {
  this.timeout(400_000);
  let tree: WebTree;

  before(async () => {
    tree = await startTree({
      web: { master: true, processes: 1 },
      webless: { handler0: ["job-handlers"] },
      jobConf,
    });
  });
  after(() => tree?.stop());

  const launchers: Record<string, (name: string) => Daemon> = {
    "`galaxy-handler`": (name) =>
      startDaemon(name, programs.handler, [
        "-c",
        tree.configFile,
        "--server-name",
        name,
        "--attach-to-pool",
        "job-handlers",
      ]),
    "`galaxy-web` without a master": (name) =>
      startDaemon(name, programs.web, ["-c", tree.configFile, "--server-name", name], {
        GALAXY_CONFIG_OVERRIDE_SINGLE_USER: "tester@example.org",
      }),
  };

  for (const [process, launch] of Object.entries(launchers)) {
    it(`tells what ends ${process}, and how`, async () => {
      await tree.configure({ web: {}, jobConf });
      const said = await documented(process);
      const ending = [...said].filter(([, what]) => /^(stops|at once|ends by it)/.test(what));
      const running = ending.map(([signal, what]) => ({
        signal,
        what,
        daemon: launch(`${signal}-${ending.length}`),
      }));
      for (const { daemon, signal, what } of running) {
        await daemon.line(/daemon\.ready/, patience);
        const status = await daemon.stop(`SIG${signal}` as NodeJS.Signals);
        const expected = what === "ends by it" ? `SIG${signal}` : Number(/\d+/.exec(what)![0]);
        expect(status, `${process} ${signal}`).to.equal(expected);
      }
    });

    it(`tells what ${process} goes on after`, async () => {
      const said = await documented(process);
      const daemon = launch(`lives-${process.length}`);
      await daemon.line(/daemon\.ready/, patience);
      for (const [signal, what] of said) {
        if (what !== "log anew" && what !== "nothing") continue;
        const before = daemon.lines.filter((line) => line.includes("log.reopened")).length;
        daemon.child.kill(`SIG${signal}` as NodeJS.Signals);
        if (what === "log anew")
          await until(() => daemon.lines.filter((line) => line.includes("log.reopened")).length > before, {
            what: `a new log after ${signal}`,
            deadline: patience,
          });
      }
      expect(daemon.child.exitCode).to.equal(null);
      expect(await daemon.stop()).to.equal(0);
    });
  }

  it("tells what a web worker does", async () => {
    const said = await documented("web worker of a master");
    for (const [signal, what] of said) {
      if (what === "kernel") continue;
      const worker = (await tree.whole()).workers[0]!;
      const start = processStartTime(worker.pid!);
      globalThis.process.kill(worker.pid!, `SIG${signal}`);
      if (what !== "nothing" && what !== "log anew")
        await until(() => processStartTime(worker.pid!) !== start, {
          what: `its end by ${signal}`,
          deadline: patience,
        });
      const now = (await tree.whole()).workers[0]!;
      expect(now.pid === worker.pid, `${signal}: ${what}`).to.equal(
        what === "nothing" || what === "log anew",
      );
    }
  });

  it("tells how a master ends at once", async () => {
    const said = await documented("`galaxy-web` with a master");
    expect(await tree.master.stop("SIGQUIT")).to.equal(Number(/\d+/.exec(said.get("QUIT")!)![0]));
  });
});

const jobConf = {
  runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner" } },
  handling: { assign: ["db-skip-locked"] },
  execution: { default: "local", environments: { local: { runner: "local" } } },
};
