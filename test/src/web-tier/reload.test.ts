import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { askSocket } from "@galaxy-jobs/runtime";
import { startLoad } from "../support/load.ts";
import { until } from "../support/until.ts";
import { gone, isLiving, patience, pidsOf, startTree, type WebTree } from "../support/web-tree.ts";

describe("a reload of the web tier", function () {
  this.timeout(10 * patience);
  const mules = { mule: "lib/galaxy/main.py", farm: "job-handlers:1" };
  let tree: WebTree;
  before(async () => (tree = await startTree({ web: { processes: 2 } })));
  after(() => tree.stop());

  const reload = () => askSocket(join(tree.folder, "database", "main.web.sock"), { ask: "reload" }, patience);

  it("fails no request, twenty times under load, and the jobs of all-in-one workers go on", async () => {
    const gated = await tree.submit("gated");
    await tree.job(gated, "running");
    const load = startLoad(`${tree.address}/api/version`);
    for (let round = 1; round <= 20; round += 1) {
      const before = await tree.children();
      expect((await reload())!["failure"]).to.equal(null);
      const after = await tree.whole();
      expect(after.reloads).to.equal(round);
      expect(pidsOf(after).filter((pid) => before.includes(pid))).to.deep.equal([]);
    }
    const { answered, failed } = await load.stop();
    expect(failed).to.equal(0);
    expect(answered).to.be.greaterThan(500);
    await tree.openGate();
    // Its worker's successor has it now, or the other worker, whoever looked first.
    const ended = await tree.job(gated, "ok", "error");
    expect(ended.state).to.equal("ok");
    expect(ended.handler).to.match(/^main\.web\.[12]$/);
    const id = await tree.submit("short");
    await tree.job(id, "ok");
  });

  it("loses no job that is created while workers change", async () => {
    const ids: number[] = [];
    const reloading = reload();
    let over = false;
    void reloading.finally(() => (over = true));
    while (!over || ids.length < 10) ids.push(await tree.submit("short"));
    await reloading;
    for (const id of ids) expect((await tree.job(id, "ok", "error")).state).to.equal("ok");
  });

  it("is what SIGHUP asks for, and takes the changed configuration", async () => {
    await tree.configure({ web: { processes: 1, ...mules } });
    const before = await tree.children();
    tree.master.child.kill("SIGHUP");
    await until(async () => (await tree.state())!.mules.length === 1, { what: "a mule", deadline: patience });
    const after = await tree.whole();
    await gone(before);
    expect(after.workers.map(({ serverName }) => serverName)).to.deep.equal(["main.web.1"]);
    expect(after.mules.map(({ serverName }) => serverName)).to.deep.equal(["main.job-handlers.1"]);
    const id = await tree.submit("short");
    expect((await tree.job(id, "ok")).handler).to.equal("main.job-handlers.1");
  });

  it("with a broken configuration says so and changes nothing", async () => {
    const before = await tree.children();
    const good = `${tree.configFile}.good`;
    await rename(tree.configFile, good);
    await writeFile(tree.configFile, "web: {procesess: 2}\n");
    expect(String((await reload())!["failure"])).to.match(
      /web\.procesess: unknown key; did you mean processes/,
    );
    await rm(tree.configFile);
    await rename(good, tree.configFile);
    expect(await tree.children()).to.deep.equal(before);
    expect((await fetch(`${tree.address}/api/version`)).status).to.equal(200);
  });

  it("to code that does not start leaves the old workers serving", async () => {
    const before = await tree.children();
    // A database of a newer release is what new code of an older one would meet.
    await tree.database
      .sql`insert into schema_migration (version, name, checksum) values (9999, '9999_future', '')`;
    try {
      expect(String((await reload())!["failure"])).to.match(
        /main\.web\.1 did not start: .*at migration 9999/,
      );
    } finally {
      await tree.database.sql`delete from schema_migration where version = 9999`;
    }
    expect(await tree.children()).to.deep.equal(before);
    expect(before.every(isLiving)).to.equal(true);
    const id = await tree.submit("short");
    await tree.job(id, "ok");
    expect((await reload())!["failure"]).to.equal(null);
  });
});
