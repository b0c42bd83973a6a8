import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { migrationStatus } from "@galaxy-jobs/shared-db";
import { programs, startDaemon, startGalaxy, type Daemon, type Galaxy } from "../support/galaxy.ts";
import { makeNewerRelease, type NewerRelease } from "../support/newer-release.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

const execute = promisify(execFile);
const patience = 60_000;

const expanding = (latest: number): string => `-- compatible-from: ${latest}
do $$
declare known record;
begin
  for known in select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and not relispartition
  loop execute format('alter table %I add column mark text', known.relname); end loop;
end $$;
create table later_thing (id bigint primary key);
`;
const contracting = `-- compatible-from: 9001
drop table later_thing;
`;

describe("Processes of two releases on one database", function () {
  this.timeout(400_000);
  let galaxy: Galaxy;
  let folder: string;
  let expanded: NewerRelease;
  let contracted: NewerRelease;
  const others: Daemon[] = [];

  before(async () => {
    folder = await traversableFolder("galaxy-test-releases-");
    const tools = join(folder, "tools");
    await mkdir(tools);
    await writeFile(join(tools, "gated.yml"), tool(folder));
    galaxy = await startGalaxy({ tools, workers: 8 });
    const { latest } = await migrationStatus(galaxy.database.sql);
    const first = { "9001_expand.sql": expanding(latest) };
    expanded = await makeNewerRelease(join(folder, "expanded"), first);
    contracted = await makeNewerRelease(join(folder, "contracted"), {
      ...first,
      "9002_contract.sql": contracting,
    });
  });
  after(async () => {
    await Promise.all(others.map((daemon) => daemon.stop()));
    await galaxy?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  afterEach(function () {
    if (this.currentTest?.state === "failed") console.log(galaxy.web.lines.join("\n"));
  });

  const ctl = (program: string, ...words: string[]): Promise<{ code: number; said: string }> =>
    execute(process.execPath, [program, "-c", galaxy.configFile, ...words], { timeout: patience }).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    );
  const start = (name: string, program: string): Daemon => {
    const args = ["-c", galaxy.configFile, "--server-name", name, "--attach-to-pool", "job-handlers"];
    const daemon = startDaemon(name, program, args);
    others.push(daemon);
    return daemon;
  };
  const submit = async (): Promise<string> =>
    (await galaxy.api("/api/tools", { body: { tool_id: "gated", inputs: {} } })).jobs[0].id as string;

  it("work on, with their jobs, while the newer one's migration expands the schema", async () => {
    const before = await submit();
    await galaxy.job(before, ["running"], patience);
    // Somebody reads a long report meanwhile: the migration waits for its lock without keeping the handler from working.
    const report = await galaxy.database.sql.reserve();
    await report`begin`;
    await report`select count(*) from job`;
    const impatient = await ctl(expanded.ctl, "db", "migrate", "--patience", "1");
    expect(impatient.code).to.equal(1);
    expect(impatient.said).to.match(
      /9001_expand did not get its locks within 1 s.*oldest open transactions: test, pid/,
    );
    const migrating = ctl(expanded.ctl, "db", "migrate");
    await until(
      async () =>
        (await galaxy.database.sql`select from pg_locks where not granted and mode = 'AccessExclusiveLock'`)
          .length > 0,
      { what: "the migration to wait for its lock", deadline: patience },
    );
    const during = await submit();
    await galaxy.job(during, ["running"], patience);
    await report`commit`;
    report.release();
    const { code, said } = await migrating;
    expect([code, said]).to.deep.equal([0, "applied 9001_expand\n"]);
    await galaxy.job(await submit(), ["running"], patience);
    await writeFile(join(folder, "gate"), "");
    for (const id of [before, during])
      expect((await galaxy.job(id, ["ok", "error"], patience)).state).to.equal("ok");
  });

  it("of the older one may be started anew then, and say so", async () => {
    const older = start("handler1", programs.handler);
    await older.line(/database\.newer .*migration=9001 known=\d+/, patience);
    await older.line(/daemon\.ready/, patience);
    const { code, said } = await ctl(programs.ctl, "db", "status");
    expect(code).to.equal(0);
    expect(said).to.match(/at 9001.*\n.*this release can work on it/);
    expect((await galaxy.api("/health/ready")).status).to.equal("ready");
    const newer = start("handler2", expanded.handler);
    await newer.line(/daemon\.ready/, patience);
    const { said: listed } = await ctl(expanded.ctl, "handlers", "list");
    expect(listed).to.match(/handler2.*\/9001 /);
    const known = (await galaxy.api("/api/version")).extra.protocol;
    expect(listed).to.match(new RegExp(`handler1.*/${known} `));
    const ids = await Promise.all(Array.from({ length: 12 }, submit));
    const ends = await Promise.all(ids.map((id) => galaxy.job(id, ["ok", "error"], patience)));
    expect(ends.map(({ state }) => state)).to.deep.equal(ids.map(() => "ok"));
  });

  it("keep a migration that contracts the schema waiting, which names them", async () => {
    const { code, said } = await ctl(contracted.ctl, "db", "migrate");
    expect(code).to.equal(1);
    expect(said).to.match(
      /migration 9002_contract is for releases that know 9001 or later, and there are older/,
    );
    expect(said).to.contain("the handler handler0 on ").and.to.contain("the handler handler1 on ");
    expect(said).to.contain("the web process main ").and.not.to.contain("handler2");
    expect((await migrationStatus(galaxy.database.sql)).current).to.equal(9001);
    // Nor does a process of that release start.
    const tooNew = start("handler3", contracted.handler);
    await tooNew.line(/handler0 on .*Restart them with such a release, or stop them/, patience);
    expect(await tooNew.stop()).to.equal(1);
  });

  it("of releases that it still fits go on when it is applied; the older one starts no more, and says why", async () => {
    await Promise.all(
      [...galaxy.handlers, others.find(({ name }) => name === "handler1")!, galaxy.web].map((daemon) =>
        daemon.stop(),
      ),
    );
    const applied = await until(
      async () => {
        const result = await ctl(contracted.ctl, "db", "migrate");
        return result.code === 0 ? result : undefined;
      },
      { what: "the migration", deadline: patience, every: 500 },
    );
    expect(applied.said).to.equal("applied 9002_contract\n");
    const refused = start("handler4", programs.handler);
    await refused.line(
      /at migration 9002 \(9002_contract is for releases that know 9001 or later\), this release knows them up to/,
      patience,
    );
    expect(await refused.stop()).to.equal(1);
    expect((await ctl(programs.ctl, "db", "status")).code).to.equal(1);
    const fitting = others.find(({ name }) => name === "handler2")!;
    expect(fitting.child.exitCode).to.equal(null);
    const again = start("handler5", expanded.handler);
    await again.line(/daemon\.ready/, patience);
  });

  it("of which one was shut out unseen ends within seconds, and says why", async () => {
    const { sql } = galaxy.database;
    await sql`insert into schema_migration (version, name, checksum, compatible_from)
      values (9003, '9003_unseen', 'x', 9002)`;
    const running = others.filter(({ name }) => name === "handler2" || name === "handler5");
    for (const daemon of running) {
      await daemon.line(/9003_unseen is for releases that know 9002 or later/, patience);
      expect(
        await until(() => daemon.child.exitCode ?? undefined, { what: "its end", deadline: patience }),
      ).to.equal(1);
    }
  });
});

function tool(folder: string): string {
  return `class: GalaxyUserTool
id: gated
name: Waits for a gate
version: "1.0"
shell_command: while [ -d ${folder} ] && [ ! -e ${folder}/gate ]; do sleep 0.1; done
inputs: []
outputs: []
`;
}
