import { expect } from "chai";
import { missingForMachine } from "../support/machine.ts";
import { until } from "../support/until.ts";
import { bootGalaxy, type BootedGalaxy } from "./booted-galaxy.ts";

const handlers = ["0", "1", "2", "3"].map((number) => `galaxy-handler@${number}.service`);
const units = ["galaxy-web.service", ...handlers];

describe("Galaxy on a machine that systemd booted", function () {
  this.timeout(400_000);
  let galaxy: BootedGalaxy;

  before(async function () {
    const missing = await missingForMachine(["systemctl", "systemd-notify", "journalctl"]);
    if (missing.length > 0) {
      this.test!.title = `needs ${missing.join(", ")}`;
      this.skip();
    }
    galaxy = await bootGalaxy();
  });
  after(() => galaxy?.destroy());
  afterEach(async function () {
    if (this.currentTest?.state !== "failed") return;
    console.log((await galaxy.journal()).split("\n").slice(-150).join("\n"));
  });

  const areActive = (): Promise<true> =>
    until(
      async () => {
        const states = await galaxy.systemctl("show", "--value", "-p", "ActiveState", ...units);
        return states.match(/^active$/gm)?.length === units.length ? true : undefined;
      },
      { what: "web tier and handlers to be active", deadline: 150_000, every: 100 },
    );

  const handlerOf = async (id: string): Promise<string> => {
    const { handler } = await galaxy.job(id, ["running"]);
    return `galaxy-handler@${String(handler).replace("handler", "")}.service`;
  };

  it("has units that systemd-analyze finds nothing wrong with", async () => {
    const paths = ["galaxy.target", "galaxy-web.socket", "galaxy-web.service", "galaxy-handler@0.service"];
    const verify = ["systemd-analyze", "verify", ...paths.map((unit) => `/etc/systemd/system/${unit}`)];
    expect(await galaxy.machine.run(["sh", "-c", '"$@" 2>&1', "sh", ...verify])).to.equal("");
  });

  it("is all started by systemctl enable --now galaxy.target", async () => {
    await galaxy.systemctl("enable", "--now", "galaxy.target");
    await areActive();
    expect(await galaxy.show("galaxy-handler@3.service", "StatusText")).to.equal(
      "ready: handler3 in job-handlers, job-handlers.special",
    );
    const ctl = ["/srv/galaxy/server/node_modules/.bin/galaxyctl", "-c", "/srv/galaxy/config/galaxy.yml"];
    const listed = await galaxy.machine.run([...ctl, "handlers", "list"]);
    expect(listed).to.match(/handler0[^]*handler1[^]*handler2[^]*handler3/);
  });

  it("runs a job, as the user galaxy", async () => {
    await galaxy.openGate();
    const id = await galaxy.submitGated();
    expect((await galaxy.job(id, ["ok", "error"])).state).to.equal("ok");
    await galaxy.machine.run(["rm", "/srv/galaxy/database/gate"]);
    const main = await galaxy.show("galaxy-handler@0.service", "MainPID");
    expect((await galaxy.machine.run(["ps", "-o", "user=", "-p", main])).trim()).to.equal("galaxy");
  });

  it("logs to the journal with priorities, and without a time of its own", async () => {
    const query = ["journalctl", "-u", "galaxy-handler@0.service", "-o", "json", "--no-pager"];
    const entries = (await galaxy.machine.run(query))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const ready = entries.find(({ MESSAGE }) => String(MESSAGE).startsWith("daemon.ready"));
    expect(ready?.PRIORITY).to.equal("6");
  });

  it("starts a handler again that was killed, while its job goes on", async () => {
    const id = await galaxy.submitGated();
    const unit = await handlerOf(id);
    const main = await galaxy.show(unit, "MainPID");
    await galaxy.machine.run(["kill", "-9", main]);
    await until(async () => (await galaxy.show(unit, "NRestarts")) === "1", {
      what: "a restart",
      deadline: 30_000,
    });
    await areActive();
    expect(await galaxy.show(unit, "MainPID")).to.not.equal(main);
    await galaxy.openGate();
    expect((await galaxy.job(id, ["ok", "error"])).state).to.equal("ok");
    await galaxy.machine.run(["rm", "/srv/galaxy/database/gate"]);
  });

  it("is all restarted while a job runs, which runs once and ends ok", async () => {
    await galaxy.machine.run(["truncate", "-s0", "/srv/galaxy/database/record"]);
    const id = await galaxy.submitGated();
    const unit = await handlerOf(id);
    const before = await galaxy.show(unit, "MainPID");
    await galaxy.systemctl("restart", "galaxy.target");
    await areActive();
    expect(await galaxy.show(unit, "MainPID")).to.not.equal(before);
    expect((await galaxy.job(id, ["running"])).state).to.equal("running");
    await galaxy.openGate();
    const ended = await galaxy.job(id, ["ok", "error"]);
    expect(ended.state).to.equal("ok");
    expect(ended.exit_code).to.equal(0);
    expect(await galaxy.machine.run(["cat", "/srv/galaxy/database/record"])).to.equal("begun\n");
    await galaxy.machine.run(["rm", "/srv/galaxy/database/gate"]);
  });

  it("takes a handler whose event loop stands still for dead", async () => {
    const dropIn = "/run/systemd/system/galaxy-handler@2.service.d";
    await galaxy.machine.run(["mkdir", "-p", dropIn]);
    await galaxy.machine.run(["sh", "-c", `printf '[Service]\\nWatchdogSec=4\\n' > ${dropIn}/watchdog.conf`]);
    await galaxy.systemctl("daemon-reload");
    await galaxy.systemctl("restart", "galaxy-handler@2.service");
    const main = await galaxy.show("galaxy-handler@2.service", "MainPID");
    await galaxy.machine.run(["kill", "-STOP", main]);
    await until(async () => (await galaxy.show("galaxy-handler@2.service", "NRestarts")) !== "0", {
      what: "the watchdog",
      deadline: 60_000,
      every: 200,
    });
    await areActive();
    expect(await galaxy.journal()).to.match(/galaxy-handler@2\.service: Watchdog timeout/);
  });

  it("reloads: the log is reopened, the process stays", async () => {
    const before = await galaxy.show("galaxy-handler@1.service", "MainPID");
    await galaxy.systemctl("reload", "galaxy-handler@1.service");
    await until(
      async () =>
        /log\.reopened/.test(await galaxy.machine.run(["journalctl", "-u", "galaxy-handler@1.service"])),
      { what: "a line about it", deadline: 20_000 },
    );
    expect(await galaxy.show("galaxy-handler@1.service", "MainPID")).to.equal(before);
  });

  it("starts the web tier for the first connection, which waits for it", async () => {
    await galaxy.systemctl("stop", "galaxy-web.service");
    expect(await galaxy.show("galaxy-web.service", "ActiveState")).to.equal("inactive");
    const answer = await galaxy.machine.fetch(8080, "/api/version");
    expect(answer.status).to.equal(200);
    expect(await galaxy.show("galaxy-web.service", "ActiveState")).to.match(/^activ/);
  });

  it("refuses no connection while the web tier restarts", async () => {
    let isOver = false;
    const statuses: number[] = [];
    const asking = (async () => {
      while (!isOver) statuses.push((await galaxy.machine.fetch(8080, "/api/version")).status);
    })();
    await galaxy.systemctl("restart", "galaxy-web.service");
    await until(() => statuses.length >= 20, { what: "20 answers", deadline: 60_000 });
    isOver = true;
    await asking;
    expect(new Set(statuses)).to.deep.equal(new Set([200]));
  });

  it("is renewed by galaxyctl rolling-restart with no request failed and no job lost", async () => {
    await galaxy.machine.run(["truncate", "-s0", "/srv/galaxy/database/record"]);
    const held = await galaxy.submitGated();
    await galaxy.job(held, ["running"]);
    const before = await Promise.all(handlers.map((unit) => galaxy.show(unit, "MainPID")));
    let isOver = false;
    const statuses: number[] = [];
    const asking = (async () => {
      while (!isOver) statuses.push((await galaxy.machine.fetch(8080, "/api/version")).status);
    })();
    const submitted: string[] = [];
    const submitting = (async () => {
      while (!isOver) {
        const id = await galaxy.submitShort();
        submitted.push(id);
        await galaxy.job(id, ["ok", "error"]);
      }
    })();
    const ctl = ["/srv/galaxy/server/node_modules/.bin/galaxyctl", "-c", "/srv/galaxy/config/galaxy.yml"];
    const said = await galaxy.machine
      .run([...ctl, "rolling-restart", "--with", "systemd"], 350_000)
      .finally(() => (isOver = true));
    await Promise.all([asking, submitting]);
    expect(said).to.match(
      /renewed galaxy-web\.service\n[^]*renewed galaxy-handler@0[^]*renewed galaxy-handler@3/,
    );
    expect(new Set(statuses)).to.deep.equal(new Set([200]));
    const after = await Promise.all(handlers.map((unit) => galaxy.show(unit, "MainPID")));
    expect(after.filter((pid) => before.includes(pid))).to.deep.equal([]);
    await galaxy.openGate();
    for (const id of [held, ...submitted])
      expect((await galaxy.job(id, ["ok", "error"])).state).to.equal("ok");
    await galaxy.machine.run(["rm", "/srv/galaxy/database/gate"]);
    const lines = (await galaxy.machine.run(["cat", "/srv/galaxy/database/shorts"])).trim().split("\n");
    expect([lines.length, new Set(lines).size]).to.deep.equal([submitted.length, submitted.length]);
    expect(await galaxy.machine.run(["cat", "/srv/galaxy/database/record"])).to.equal("begun\n");
  });

  it("stops as a whole, and what was enabled comes back with the target", async () => {
    await galaxy.systemctl("stop", "galaxy.target");
    await until(
      async () => {
        const states = await galaxy.systemctl(
          "show",
          "--value",
          "-p",
          "ActiveState",
          ...units,
          "galaxy-web.socket",
        );
        return states.match(/^inactive$/gm)?.length === units.length + 1;
      },
      { what: "all to be inactive", deadline: 120_000, every: 100 },
    );
    await galaxy.systemctl("disable", "galaxy-handler@3.service");
    await galaxy.systemctl("start", "galaxy.target");
    await until(async () => (await galaxy.show("galaxy-handler@2.service", "ActiveState")) === "active", {
      what: "the others",
      deadline: 60_000,
    });
    expect(await galaxy.show("galaxy-handler@3.service", "ActiveState")).to.equal("inactive");
  });

  it("powers off cleanly, with no handler killed", async () => {
    const before = (await galaxy.journal()).length;
    // systemd's own signal for it, RTMIN+4.
    await galaxy.machine.end(38);
    const last = (await galaxy.journal()).slice(before);
    expect(last).to.match(/galaxy-handler@0\.service: Deactivated successfully/);
    expect(
      last.match(
        /galaxy-\S+: (Failed with result|State 'stop-\w+' timed out|Killing process \d+ \(node).*/g,
      ) ?? [],
    ).to.deep.equal([]);
  });
});
