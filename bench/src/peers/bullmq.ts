import { createRequire } from "node:module";
import { createPostgresBackend, Queue, Worker } from "bullmq";
import { queue, type Peer } from "./peer.ts";

const { version } = createRequire(import.meta.url)("bullmq/package.json") as { version: string };
/** Jobs that one statement adds. */
const bulk = 5_000;

/** On PostgreSQL: jobs one by one, each end fused with the next claim; ended jobs are removed, which is its fastest. */
export const bullmq: Peer = {
  name: "bullmq",
  version,
  async install(url) {
    const jobs = open(url, true);
    await jobs.waitUntilReady();
    await jobs.close();
  },
  async fill({ url, sql }, count) {
    const jobs = open(url);
    for (let made = 0; made < count; made += bulk)
      await jobs.addBulk(
        Array.from({ length: Math.min(bulk, count - made) }, () => ({ name: queue, data: {}, opts })),
      );
    await jobs.close();
    await sql`analyze bullmq.job`;
  },
  async isBusy({ sql }) {
    return (await sql`select 1 from bullmq.job where state in ('waiting', 'active') limit 1`).length > 0;
  },
  async makeDeadRows(database, rows) {
    await bullmq.fill(database, rows);
    await database.sql`delete from bullmq.job`;
  },
  adder(url) {
    const jobs = open(url);
    return Promise.resolve({
      add: async () => void (await jobs.add(queue, {}, opts)),
      close: () => jobs.close(),
    });
  },
  async work(url, onJob, many) {
    const worker = new Worker(
      queue,
      () => {
        onJob();
        return Promise.resolve();
      },
      {
        connection: { connectionString: url, max: many ? 24 : 4 },
        concurrency: many ? 24 : 1,
        removeOnComplete: { count: 0 },
      },
      createPostgresBackend,
    );
    worker.on("error", (error) => process.stderr.write(`bullmq: ${String(error)}\n`));
    await worker.waitUntilReady();
    return () => worker.close();
  },
};

const opts = { removeOnComplete: true } as const;

function open(connectionString: string, migrate = false) {
  return new Queue(queue, { connection: { connectionString, migrate } }, createPostgresBackend);
}
