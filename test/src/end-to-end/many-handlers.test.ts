import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

const jobCount = 5_000;

describe("eight handlers on one database", function () {
  this.timeout(600_000);
  let galaxy: Galaxy;
  let record: string;

  before(async () => {
    const folder = await traversableFolder("galaxy-test-tools-");
    record = join(folder, "record");
    await mkdir(join(folder, "tools"));
    await writeFile(record, "");
    // Each run appends one line itself: the count does not depend on what any of our processes believes.
    const tool = `class: GalaxyUserTool
id: record_run
name: Record a run
version: "1.0"
shell_command: echo '$(inputs.number)' >> '${record}'
inputs:
  - name: number
    type: integer
outputs: []
`;
    await writeFile(join(folder, "tools", "record_run.yml"), tool);
    const names = Array.from({ length: 8 }, (_, index) => `handler${index}`);
    galaxy = await startGalaxy({ handlers: names, tools: join(folder, "tools"), workers: 4 });
  });
  after(() => galaxy?.stop());

  it(`run each of ${jobCount} jobs exactly once`, async () => {
    const numbers = Array.from({ length: jobCount }, (_, index) => index);
    const lanes = Array.from({ length: 8 }, async () => {
      for (let number = numbers.pop(); number !== undefined; number = numbers.pop()) {
        await galaxy.api("/api/tools", { body: { tool_id: "record_run", inputs: { number } } });
      }
    });
    await Promise.all(lanes);
    const sql = galaxy.database.sql;
    await until(
      async () => {
        const [row] = await sql<
          { left: number }[]
        >`select count(*)::int as left from job where state not in ('ok', 'error', 'deleted')`;
        return row!.left === 0;
      },
      { what: "all jobs to end", deadline: 540_000, every: 250 },
    );
    const [ok] = await sql<{ count: number }[]>`select count(*)::int as count from job where state = 'ok'`;
    expect(ok!.count).to.equal(jobCount);
    const runs = (await readFile(record, "utf8")).trim().split("\n").map(Number);
    expect(runs).to.have.length(jobCount);
    expect(new Set(runs).size).to.equal(jobCount);
    const starts = await sql<{ count: number }[]>`
      select count(*)::int as count from job_state_history where state = 'running' group by job_id having count(*) <> 1`;
    expect([...starts]).to.deep.equal([]);
    const shares = await sql<{ handler: string }[]>`select distinct handler from job`;
    expect(shares.length, "handlers that took part").to.equal(8);
  });
});
