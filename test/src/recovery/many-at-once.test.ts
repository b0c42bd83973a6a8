import { expect } from "chai";
import type { FaultPoint } from "@galaxy-jobs/handler";
import { insertJob } from "@galaxy-jobs/shared-db";
import { newJob } from "../support/new-job.ts";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";

/** So many that a handler has several batches in hand. */
const jobCount = 120;

/** Jobs that take no time go through the stages in batches: what a crash leaves is many jobs at the same step. */
describe("a handler killed while it writes the changes of many jobs at once", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;

  before(async () => {
    galaxy = await startGalaxy({
      handlers: [],
      galaxy: { handler_lease: 5, job_poison_limit: 0 },
      jobs: {
        runners: { noop: { load: "noop", workers: 100 } },
        handling: { assign: ["db-skip-locked"], ready_window_size: 50 },
        execution: { default: "noop", environments: { noop: { runner: "noop" } } },
      },
    });
  });
  after(() => galaxy?.stop());

  const submitAll = () =>
    galaxy.database.sql.begin(async (sql) => {
      const [history] = await sql<{ id: number }[]>`insert into history (name) values ('many') returning id`;
      const ids: number[] = [];
      for (let number = 0; number < jobCount; number += 1) {
        const { job } = await insertJob(
          sql,
          newJob({
            historyId: history!.id,
            toolId: "line_count",
            toolVersion: "1.0.0",
            // Both kinds of ends meet in one batch.
            outputs: number % 2 === 0 ? [] : [{ name: "counts", label: "counts", extension: "txt" }],
          }),
        );
        ids.push(job.id);
      }
      return ids;
    });

  const points: readonly (FaultPoint | `${FaultPoint}#${number}`)[] = [
    // A first claim goes the long way, through the gate; later ones may queue their jobs themselves.
    "queue:after",
    "claim:after#2",
    "claim:after#3",
    "write:before#2",
    "write:after#2",
  ];
  for (const [index, point] of points.entries()) {
    it(`${point}: each job has one end, and its states in their order`, async () => {
      const ids = await submitAll();
      const victim = galaxy.spawnHandler(`victim${index}`, ["job-handlers"], {
        GALAXY_FAULT_POINT: point,
      });
      expect(await victim.stop("SIGCONT")).to.equal("SIGKILL");
      const heir = galaxy.spawnHandler(`victim${index}`, ["job-handlers"]);
      const { sql } = galaxy.database;
      await until(
        async () => {
          const [row] = await sql<{ left: number }[]>`
            select count(*)::int as left from job where state not in ('ok', 'error')`;
          return row!.left === 0;
        },
        { what: "all jobs to end", deadline: 120_000, every: 100 },
      );
      const rows = await sql<{ jobId: number; states: string; exitCode: number; started: boolean }[]>`
        select job_id, string_agg(h.state, ' ' order by h.id) as states, min(job.exit_code) as exit_code,
          bool_and(job.start_time between job.create_time and job.end_time) as started
        from job_state_history h join job on job.id = h.job_id where job_id = any(${sql.array(ids, 20)}) group by job_id`;
      expect(rows.length).to.equal(jobCount);
      for (const { states, exitCode, started } of rows) {
        expect(states).to.match(/^new (queued (running )?new )*queued running ok$/);
        expect({ exitCode, started }).to.deep.equal({ exitCode: 0, started: true });
      }
      const [left] = await sql<{ count: number }[]>`
        select count(*)::int as count from dataset where job_id = any(${sql.array(ids, 20)}) and state <> 'empty'`;
      expect(left!.count, "outputs that are not there").to.equal(0);
      // The victim may have left it nothing to do.
      await heir.line(/daemon\.ready/, 60_000);
      expect(await heir.stop("SIGTERM")).to.equal(0);
    });
  }
});
