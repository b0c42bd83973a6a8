import { expect } from "chai";
import { makeSite, type Site } from "../support/site.ts";
import { until } from "../support/until.ts";
import { SeededRandom } from "./random.ts";

const jobCount = 2_000;
const kills = 50;
const names = ["handler0", "handler1", "handler2"];

describe(`${kills} kills at random moments during ${jobCount} jobs`, function () {
  this.timeout(480_000);
  let site: Site;
  const seed = Number(process.env["GALAXY_TEST_SEED"] ?? Date.now() % 1_000_000);

  before(async () => {
    site = await makeSite({
      handlers: names.map((name) => ({ name, pools: ["job-handlers"] })),
      jobConf: {
        runners: { local: { load: "galaxy.jobs.runners.local:LocalJobRunner", workers: 6 } },
        handling: { assign: ["db-skip-locked"] },
        execution: { default: "local", environments: { local: { runner: "local" } } },
      },
      tools: [{ id: "short" }],
      // Whoever is killed so often, so close together, would meet the same job more than three times now and then.
      galaxy: { handler_lease: 3, job_poison_limit: 0 },
    });
  });
  after(() => site?.stop());

  it("lose no job, run none twice, and leave each with its exact end", async () => {
    console.log(`      seed ${seed} (GALAXY_TEST_SEED)`);
    const random = new SeededRandom(seed);
    const { sql } = site.database;
    let left = jobCount;
    const lanes = Array.from({ length: 8 }, async () => {
      while (left-- > 0) await site.submit("short");
    });
    await Promise.all(lanes);
    for (const name of names) await site.start(name);
    const ended = async () => {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from job where state in ('ok', 'error', 'deleted')`;
      return row!.count;
    };
    for (let kill = 1; kill <= kills; kill += 1) {
      // Each kill waits for its share of the work, then for a random moment.
      const share = ((kill - 1) * jobCount * 0.9) / kills + random.below(jobCount / kills);
      await until(async () => (await ended()) >= share, {
        what: `${share} jobs to end before kill ${kill}`,
        deadline: 120_000,
        every: 5 + random.below(40),
      });
      const victim = random.pick(names);
      await site.end(victim, "SIGKILL");
      await site.start(victim);
    }
    await until(async () => (await ended()) === jobCount, {
      what: "all jobs to end",
      deadline: 240_000,
      every: 250,
    });
    const states = await sql<{ state: string; exitCode: number | null; count: number }[]>`
      select state, exit_code, count(*)::int as count from job group by state, exit_code`;
    expect([...states]).to.deep.equal([{ state: "ok", exitCode: 0, count: jobCount }]);
    const runs = await site.runs();
    expect(new Set(runs).size, "jobs that ran").to.equal(jobCount);
    expect(runs.length, "runs").to.equal(jobCount);
    const ends = await sql`
      select job_id from job_state_history where state in ('ok', 'error', 'deleted') group by job_id having count(*) <> 1`;
    expect([...ends], "jobs that ended more than once").to.deep.equal([]);
    const [deaths] = await sql<{ count: number }[]>`
      select count(*)::int as count from handler_incarnation where end_reason = 'lost'`;
    expect(deaths!.count, "handlers that died").to.be.at.least(kills);
  });
});
