import { execFile } from "node:child_process";
import { expect } from "chai";
import { programs, startGalaxy, type Galaxy } from "../support/galaxy.ts";

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe("galaxyctl handlers", function () {
  this.timeout(90_000);
  let galaxy: Galaxy;
  before(async () => {
    galaxy = await startGalaxy({ handlers: ["handler0", "handler1"], workers: 1 });
  });
  after(() => galaxy?.stop());

  const ctl = (...args: string[]) =>
    new Promise<Ended>((resolve) => {
      const child = execFile(
        process.execPath,
        [programs.ctl, "handlers", ...args, "-c", galaxy.configFile],
        { timeout: 40_000 },
        (_, stdout, stderr) => resolve({ status: child.exitCode ?? -1, stdout, stderr }),
      );
    });
  async function good(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await ctl(...args);
    expect(`${status} ${stderr}`).to.equal("0 ");
    return stdout;
  }
  /** @param code 1 for what cannot be done, 2 for a command line that is wrong */
  async function failed(code: number, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await ctl(...args);
    expect(status).to.equal(code);
    expect(stdout).to.equal("");
    return stderr;
  }

  const refused = (...args: string[]) => failed(1, ...args);
  const misused = (...args: string[]) => failed(2, ...args);

  it("drains with a time-out, says what remains, hands it over, waits for the end, and leaves a trail", async () => {
    const answer = await galaxy.api("/api/tools", { body: { tool_id: "sleep", inputs: { seconds: 600 } } });
    const id = answer.jobs[0].id as string;
    await galaxy.job(id, ["running"]);
    const [running] = JSON.parse(await good("list", "--json")).filter(
      ({ jobsRunning }: { jobsRunning: number }) => jobsRunning === 1,
    );
    const name = running.serverName as string;
    const other = name === "handler0" ? "handler1" : "handler0";

    const inVain = await ctl("drain", name, "--wait", "--timeout", "1");
    expect(inVain.status).to.equal(3);
    expect(inVain.stdout).to.contain(`${name} takes nothing new`).and.to.contain("1 jobs in hand");
    expect(await good("list")).to.match(new RegExp(`${name}.*drained since`));
    expect(await good("show", name))
      .to.match(/drained +since .*galaxyctl/)
      .and.to.match(/sleep.*running/);
    const shown = JSON.parse(await good("show", name, "--json"));
    expect(shown.remaining.jobs).to.have.length(1);

    expect(await good("reassign", name, "--to", other)).to.contain("--started hands them over too");
    expect(await good("reassign", name, "--to", other, "--started")).to.contain(
      "1 jobs under way are offered",
    );
    expect(await good("drain", name, "--wait")).to.contain("it has no job in hand");
    expect(await refused("remove", name)).to.match(/cannot be removed: it is live.*First: stop its process/);
    expect(await good("resume", name)).to.equal(`${name} takes jobs again\n`);
    expect(await refused("resume", name)).to.equal(`galaxyctl: handler ${name} is not drained\n`);
    await galaxy.api(`/api/jobs/${id}`, { method: "DELETE" });

    const log = JSON.parse(await good("log", name, "--json"));
    expect(log.map(({ action }: { action: string }) => action)).to.deep.equal([
      "resume",
      "reassign",
      "reassign",
      "drain",
    ]);
    expect(log[0].actor).to.match(/^\S+@\S+ \(galaxyctl\)$/);
  });

  it("names what is wrong with a command, and does nothing", async () => {
    expect(await refused("drain", "handlr0")).to.equal(
      "galaxyctl: there is no handler handlr0; did you mean handler0?\n",
    );
    expect(await refused("reassign", "handler0")).to.contain("say who gets the jobs");
    expect(await misused("reassign", "handler0", "--to", "handler1", "--to-pool", "job-handlers")).to.contain(
      "mutually exclusive",
    );
    expect(await refused("reassign", "handler0", "--to-pool", "special")).to.contain(
      "is not a pool of job handlers",
    );
    expect(await refused("drain", "handler0", "--timeout", "5")).to.contain("--timeout goes with --wait");
    expect(
      JSON.parse(await good("list", "--json")).map(({ drainTime }: { drainTime: unknown }) => drainTime),
    ).to.deep.equal([null, null]);
  });

  it("lists handlers that have ended only when asked, and removes one", async () => {
    const handler = await galaxy.startHandler("handler7", ["job-handlers.special"]);
    await good("drain", "handler7", "--wait");
    await handler.stop();
    expect(await good("list")).to.not.contain("handler7");
    expect(await good("list", "--all")).to.match(/handler7.*ended .*\(stopped\), drained since/);
    expect(await good("remove", "handler7")).to.equal("handler7 is removed\n");
    expect(await good("list", "--all")).to.not.contain("handler7");
  });
});
