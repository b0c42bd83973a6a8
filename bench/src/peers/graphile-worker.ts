import { createRequire } from "node:module";
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";
import { queue, type Peer } from "./peer.ts";

const { version } = createRequire(import.meta.url)("graphile-worker/package.json") as { version: string };
const logger = new Logger(() => () => undefined);

/** Its documentation's settings for throughput: a local queue of 500 jobs, batched completion, 24 jobs at once. */
export const graphileWorker: Peer = {
  name: "graphile-worker",
  version,
  async install(connectionString) {
    await runMigrations({ connectionString, logger });
    // A task's name becomes a row with its first job.
    const utils = await makeWorkerUtils({ connectionString, logger });
    await utils.addJob(queue, {});
    await utils.withPgClient((client) => client.query("delete from graphile_worker._private_jobs"));
    await utils.release();
  },
  async fill({ sql }, jobs) {
    await sql`
      insert into graphile_worker._private_jobs (task_id, payload)
      select (select id from graphile_worker._private_tasks where identifier = ${queue}), '{}'
      from generate_series(1, ${jobs}::int)`;
    await sql`analyze graphile_worker._private_jobs`;
  },
  async isBusy({ sql }) {
    return (await sql`select 1 from graphile_worker._private_jobs limit 1`).length > 0;
  },
  async makeDeadRows(database, rows) {
    await graphileWorker.fill(database, rows);
    await database.sql`delete from graphile_worker._private_jobs`;
  },
  async adder(connectionString) {
    const utils = await makeWorkerUtils({ connectionString, logger });
    return {
      add: async () => void (await utils.addJob(queue, {})),
      close: async () => utils.release(),
    };
  },
  async work(connectionString, onJob, many) {
    const runner = await run({
      connectionString,
      logger,
      noHandleSignals: true,
      concurrency: 24,
      maxPoolSize: 25,
      taskList: { [queue]: onJob },
      preset: {
        worker: many ? { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {},
      },
    });
    return () => runner.stop();
  },
};
