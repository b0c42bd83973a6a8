import { createRequire } from "node:module";
import PgBoss from "pg-boss";
import { queue, type Peer } from "./peer.ts";

const { version } = createRequire(import.meta.url)("pg-boss/package.json") as { version: string };

/** Jobs that one fetch takes, and fetches at once in a process. */
const batchSize = 1000;
const workers = 4;

/** Batches; while they are full it fetches the next at once if the last took long, so several workers fill the pauses. */
export const pgBoss: Peer = {
  name: "pg-boss",
  version,
  async install(url) {
    const boss = await open(url, { supervise: true });
    await boss.createQueue(queue);
    await boss.stop({ graceful: false, wait: true });
  },
  async fill({ sql }, jobs) {
    await sql`insert into pgboss.job (name, data) select ${queue}, '{}' from generate_series(1, ${jobs}::int)`;
    await sql`analyze pgboss.job`;
  },
  async isBusy({ sql }) {
    const rows = await sql`select 1 from pgboss.job where name = ${queue} and state < 'completed' limit 1`;
    return rows.length > 0;
  },
  async makeDeadRows(database, rows) {
    await pgBoss.fill(database, rows);
    await database.sql`delete from pgboss.job where name = ${queue}`;
  },
  async adder(url) {
    const boss = await open(url);
    return {
      add: async () => void (await boss.send(queue, {})),
      close: () => boss.stop({ graceful: false, wait: true }),
    };
  },
  async work(url, onJob, many) {
    const boss = await open(url);
    // Half a second is the least that it allows.
    const options = { batchSize: many ? batchSize : 1, pollingIntervalSeconds: 0.5 };
    for (let worker = 0; worker < (many ? workers : 1); worker += 1)
      await boss.work(queue, options, (jobs) => {
        for (let job = 0; job < jobs.length; job += 1) onJob();
        return Promise.resolve();
      });
    return () => boss.stop({ graceful: true, wait: true, timeout: 5_000 });
  },
};

async function open(connectionString: string, options: PgBoss.ConstructorOptions = {}): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false, ...options });
  boss.on("error", (error) => process.stderr.write(`pg-boss: ${String(error)}\n`));
  return boss.start();
}
