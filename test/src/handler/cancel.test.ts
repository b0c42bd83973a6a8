import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { loadIdEncoder, requestJobDeletion } from "@galaxy-jobs/shared-db";
import { programs, startDaemon, startGalaxy, type Daemon, type Galaxy } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

/** The promise is 2 s; a machine that does other things gets more. */
const soon = 8_000;

describe("a job that somebody asks to end", function () {
  this.timeout(60_000);
  let galaxy: Galaxy;
  let other: Daemon;
  let otherAddress: string;
  let tools: string;

  before(async () => {
    tools = await traversableFolder("galaxy-test-tools-");
    await mkdir(tools, { recursive: true });
    // The expression keeps the job queued, being prepared, for a while.
    const busy =
      "$((function () { const end = Date.now() + 1500; while (Date.now() < end); return 600; })())";
    await writeFile(join(tools, "slow.yml"), toolOf("slow", `sleep ${busy}`));
    await writeFile(join(tools, "long.yml"), toolOf("long", "sleep 600"));
    galaxy = await startGalaxy({
      handlers: ["handler0", "handler1"],
      tools,
      workers: 4,
      jobs: { limits: [{ type: "registered_user_concurrent_jobs", value: 3 }] },
    });
    other = startDaemon("other web", programs.web, ["-c", galaxy.configFile, "--server-name", "main2"]);
    [, otherAddress] = (await other.line(/web\.listening\b.*?\b(http:\/\/[^\s"]+)/)) as unknown as [
      string,
      string,
    ];
  });
  after(async () => {
    await other?.stop();
    await galaxy?.stop();
  });
  afterEach(async () => {
    const { sql } = galaxy.database;
    const rows = await sql<
      { id: number }[]
    >`select id from job where state not in ('ok', 'error', 'deleted')`;
    for (const { id } of rows) await requestJobDeletion(sql, id, "over");
    await until(async () => (await unended()) === 0, { what: "all to end", deadline: 30_000 });
  });

  const unended = async () => {
    const [row] = await galaxy.database.sql<{ count: number }[]>`
      select count(*)::int as count from job where state not in ('ok', 'error', 'deleted')`;
    return row!.count;
  };
  async function submit(tool: string): Promise<string> {
    const answer = await galaxy.api("/api/tools", { body: { tool_id: tool, inputs: {} } });
    return answer.jobs[0].id;
  }
  async function row(id: string) {
    const encoder = await loadIdEncoder(galaxy.database.sql, undefined);
    const [found] = await galaxy.database.sql<
      {
        id: number;
        state: string;
        incarnationId: number | null;
        waitReason: string | null;
        handler: string;
        runFence: number;
      }[]
    >`select * from job where id = ${encoder.decode("job", id)!}`;
    return found!;
  }
  async function ask(id: string, told: boolean): Promise<void> {
    if (!told) {
      // As DELETE does, without the notification.
      await requestJobDeletion(galaxy.database.sql, (await row(id)).id, "asked");
      return;
    }
    const response = await fetch(`${otherAddress}/api/jobs/${id}`, { method: "DELETE" });
    expect(response.status).to.equal(200);
  }
  const deleted = (id: string) =>
    until(async () => (await row(id)).state === "deleted", {
      what: `job ${id} to be deleted`,
      deadline: soon,
    });
  const is = (id: string, what: string, probe: (job: Awaited<ReturnType<typeof row>>) => boolean) =>
    until(async () => probe(await row(id)), { what: `job ${id} to be ${what}`, deadline: 30_000 });

  /** A job that a handler has claimed and that waits there for the user's limit. */
  async function waiting(): Promise<string> {
    for (let at = 0; at < 3; at += 1) {
      const first = await submit("long");
      await is(first, "running", ({ state }) => state === "running");
    }
    const id = await submit("long");
    await is(id, "claimed", ({ incarnationId, waitReason }) => incarnationId !== null && waitReason !== null);
    return id;
  }

  for (const told of [true, false]) {
    const how = told ? "from another web process" : "when the notification is lost";

    it(`ends ${how} while it waits in its handler's hands`, async () => {
      const id = await waiting();
      await ask(id, told);
      await deleted(id);
    });

    it(`ends ${how} while it waits to be tried again, claimed or not`, async () => {
      const { sql } = galaxy.database;
      const claimed = await waiting();
      await sql`update job set state = 'resubmitted', resubmit_after = now() where id = ${(await row(claimed)).id}`;
      await ask(claimed, told);
      await deleted(claimed);
      const unclaimed = await submit("long");
      await is(unclaimed, "claimed", ({ waitReason }) => waitReason !== null);
      await sql`
        update job set state = 'resubmitted', resubmit_after = now() + interval '1 hour', incarnation_id = null, fence = fence + 1
        where id = ${(await row(unclaimed)).id}`;
      await ask(unclaimed, told);
      expect((await row(unclaimed)).state).to.equal("deleted");
    });

    it(`ends ${how} while it is queued, and nothing of it is left running`, async () => {
      const id = await submit("slow");
      await is(id, "queued", ({ state }) => state === "queued");
      await ask(id, told);
      await deleted(id);
    });

    it(`ends ${how} while it runs, whichever handler has it`, async () => {
      const ids = [await submit("long"), await submit("long")];
      for (const id of ids) await is(id, "running", ({ state }) => state === "running");
      for (const id of ids) await ask(id, told);
      for (const id of ids) await deleted(id);
    });
  }

  it("ends although another one cannot be ended, and that one is tried again until it can (galaxy#19960)", async () => {
    const { sql } = galaxy.database;
    const stubborn = await submit("long");
    await is(stubborn, "running", ({ state }) => state === "running");
    const { id, handler } = await row(stubborn);
    await sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'it cannot be ended'; end $$;
      create trigger refuse before update on job for each row when (new.id = ${id} and new.state = 'deleted') execute function refuse()`);
    const daemon = galaxy.handlers.find(({ name }) => name === handler)!;
    const failures = () =>
      daemon.lines.filter((line) => /job\.trouble.*it cannot be ended/.test(line)).length;
    try {
      await ask(stubborn, true);
      for (let failed = 1; failed <= 2; failed += 1) {
        await until(() => failures() >= failed, { what: `${failed} failures`, deadline: 20_000 });
        const another = await onHandler(handler);
        await ask(another, true);
        await deleted(another);
      }
      expect((await row(stubborn)).state).to.equal("deleting");
    } finally {
      await sql.unsafe("drop trigger refuse on job; drop function refuse()");
    }
    await until(async () => (await row(stubborn)).state === "deleted", { what: "its end", deadline: 40_000 });
  });

  /** A running job of this very handler; those that the other one took are ended. */
  async function onHandler(name: string): Promise<string> {
    for (;;) {
      const id = await submit("long");
      await is(id, "running", ({ state }) => state === "running");
      if ((await row(id)).handler === name) return id;
      await ask(id, true);
      await deleted(id);
    }
  }
});

function toolOf(id: string, command: string): string {
  return `class: GalaxyUserTool
id: ${id}
name: ${id}
version: "1.0"
shell_command: |
  ${command}
inputs: []
outputs: []
`;
}
