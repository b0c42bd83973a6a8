import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { adviseOn, type Advice, type DatabaseHealth } from "@galaxy-jobs/ctl";
import { openDatabase } from "@galaxy-jobs/shared-db";
import { withDatabase } from "../support/database.ts";
import { programs } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

type Report = DatabaseHealth & { readonly healthy: boolean; readonly advice: readonly Advice[] };

describe("galaxyctl db health", function () {
  this.timeout(120_000);
  const database = withDatabase();
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "galaxy-test-health-"));
    await writeFile(
      join(folder, "galaxy.yml"),
      `galaxy:\n  database_connection: ${database.url}\n  data_dir: ${folder}\n`,
    );
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const health = (...words: string[]) =>
    new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      const args = [programs.ctl, "db", "health", "-c", join(folder, "galaxy.yml"), ...words];
      const child = execFile(process.execPath, args, { timeout: 60_000 }, (_, stdout, stderr) =>
        resolve({ status: child.exitCode ?? -1, stdout, stderr }),
      );
    });
  const report = async (...words: string[]) => {
    const { status, stdout, stderr } = await health("--json", ...words);
    expect(stderr).to.equal("");
    return { status, ...(JSON.parse(stdout) as Report) };
  };

  it("says of a fresh database that there is nothing to do", async () => {
    const { status, stdout } = await health();
    expect(stdout).to.contain("none: nothing to do").and.to.contain("job_state_history");
    expect(status).to.equal(0);
    const { healthy, tables, indexes } = await report();
    expect(healthy).to.equal(true);
    expect(tables.map(({ name }) => name)).to.include.members(["job", "dataset", "pool_virtual_time"]);
    expect(tables.find(({ name }) => name === "pool_virtual_time")?.vacuumAt).to.equal(1000);
    expect(indexes.find(({ name }) => name === "job_claim")).to.include({ table: "job", valid: true });
  });

  it("names the session that holds a snapshot, and how to end it", async () => {
    const holder = openDatabase(database.address, {
      applicationName: "a forgotten report",
      maxConnections: 1,
    });
    try {
      await holder.unsafe("begin isolation level repeatable read");
      await holder`select count(*) from job`;
      const [{ pid }] = await holder<[{ pid: number }]>`select pg_backend_pid() as pid`;
      const young = await report();
      expect(young.snapshots[0]).to.include({
        kind: "session",
        name: String(pid),
        state: "idle in transaction",
      });
      expect(young.snapshots[0]!.who).to.contain("a forgotten report");
      expect(young, "not yet").to.include({ healthy: true, status: 0 });
      const old = await report("--older-than", "0");
      expect(old).to.include({ healthy: false, status: 1 });
      expect(old.advice[0]!.words).to.contain("a forgotten report").and.to.contain("idle in transaction");
      expect(old.advice[0]!.remedy).to.contain(`pg_terminate_backend(${pid})`);

      // A session of PostgreSQL 14 or older may keep its numbers to itself until it ends.
      const writer = openDatabase(database.address, { applicationName: "writer", maxConnections: 1 });
      await writer`insert into pool_virtual_time select 'p', i from generate_series(1, 6000) as i`;
      await writer`delete from pool_virtual_time`;
      await writer.end();
      const dead = await until(
        async () => {
          const now = await report("--older-than", "0");
          return now.advice.find(({ words }) => words.startsWith("table pool_virtual_time has"));
        },
        { what: "the dead rows to be counted", deadline: 60_000, every: 500 },
      );
      expect(dead.remedy).to.equal(`end session ${pid} first, then vacuum (analyze) pool_virtual_time`);
    } finally {
      await holder.end();
    }
  });

  it("finds an index that a failed build left behind", async () => {
    await database.sql`insert into pool_virtual_time values ('twice', 1), ('twice', 1)`;
    const failed = await database.sql
      .unsafe("create unique index concurrently left_behind on pool_virtual_time (pool, ticket)")
      .then(
        () => false,
        () => true,
      );
    expect(failed).to.equal(true);
    const { status, advice } = await report();
    expect(status).to.equal(1);
    expect(advice.map(({ words }) => words).join()).to.contain(
      "index left_behind of pool_virtual_time is not valid",
    );
    await database.sql`drop index left_behind`;
    await database.sql`delete from pool_virtual_time`;
  });

  it("refuses a wrong age", async () => {
    const { status, stderr } = await health("--older-than", "soon");
    expect(stderr).to.contain("--older-than");
    expect(status).to.not.equal(0);
  });

  const fine: DatabaseHealth = {
    server: { version: "18", autovacuum: true, seesAll: true },
    snapshots: [],
    tables: [],
    indexes: [],
  };
  const holder = { state: null, idleSeconds: null, seconds: null, transactions: 5 } as const;

  it("advises on prepared transactions, slots and standbys, each by its own remedy", () => {
    const health = {
      ...fine,
      snapshots: [
        { ...holder, kind: "prepared transaction", name: "it's", seconds: 700, who: "as galaxy" },
        { ...holder, kind: "replication slot", name: "old", transactions: 2e6, who: "physical, not in use" },
        { ...holder, kind: "replication slot", name: "slow", transactions: 2e6, who: "logical, in use" },
        { ...holder, kind: "standby", name: "reports", transactions: 2e6, who: "from 10.0.0.2" },
        { ...holder, kind: "standby", name: "quick", transactions: 20, who: "from 10.0.0.3" },
      ],
    } as const;
    const advice = adviseOn(health, 600);
    expect(advice.map(({ remedy }) => remedy)).to.deep.equal([
      "ask the transaction manager that prepared it, then commit prepared 'it''s' or rollback prepared 'it''s'",
      "if nothing will come back for it: select pg_drop_replication_slot('old')",
      "see why its consumer does not keep up",
      "end the long query on the standby, or set hot_standby_feedback = off there",
    ]);
    expect(advice.every(({ severity }) => severity === "problem")).to.equal(true);
  });

  it("hints at idle transactions, empty indexes, and what it cannot see", () => {
    const session = { kind: "session", name: "7", who: "psql", state: "idle in transaction" } as const;
    const health: DatabaseHealth = {
      ...fine,
      server: { ...fine.server, seesAll: false },
      snapshots: [{ ...holder, ...session, transactions: null, seconds: 900, idleSeconds: 90 }],
      indexes: [
        { name: "job_claim", table: "job", bytes: 64 * 1024 * 1024, entries: 1000, valid: true },
        { name: "job_pkey", table: "job", bytes: 64 * 1024 * 1024, entries: 2_000_000, valid: true },
      ],
    };
    const advice = adviseOn(health, 600);
    expect(advice.map(({ severity }) => severity)).to.deep.equal(["hint", "hint", "hint"]);
    expect(advice.map(({ words }) => words).join("\n"))
      .to.contain("has done nothing in its transaction for 90 s")
      .and.to.contain("job_claim of job takes 64 MB for 1000 entries")
      .and.to.contain("sessions of other roles");
  });

  it("makes a problem of an autovacuum that is off", () => {
    const off = { ...fine, server: { ...fine.server, autovacuum: false } };
    expect(adviseOn(off, 600)).to.have.lengthOf(1);
    expect(adviseOn(off, 600)[0]).to.include({ severity: "problem" });
  });
});
