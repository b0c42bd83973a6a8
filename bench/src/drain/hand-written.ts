import { bigintOid, type Database } from "@galaxy-jobs/shared-db";
import type { Measures } from "../bench.ts";
import { cpuTimeOf, parentOf } from "./cpu-time.ts";
import { settle, startDrainServer } from "./drain-server.ts";

const batch = 500;
const clients = 2;

/**
 * The least that a queue on PostgreSQL can do: narrow tables, one statement that claims a batch and one that completes it. No
 * states to look at, no history, no owner.
 * @returns jobs a second, and the microseconds of a core that a job took in the server
 */
export async function drainHandWritten(jobs: number): Promise<Measures> {
  const server = await startDrainServer(false);
  try {
    const { database } = server;
    await database`create table ready (id bigint primary key)`;
    await database`create table running (id bigint primary key, claimed timestamptz not null default now())`;
    await database`insert into ready select generate_series(1, ${jobs}::bigint)`;
    await settle(database);
    const [{ pid }] = await database<[{ pid: number }]>`select pg_backend_pid() as pid`;
    const postmaster = parentOf(pid);
    const [before, began] = [cpuTimeOf(postmaster), performance.now()];
    await Promise.all(Array.from({ length: clients }, () => drain(database)));
    const seconds = (performance.now() - began) / 1000;
    return { jobs: jobs / seconds, "server-cpu": ((cpuTimeOf(postmaster) - before) * 1000) / jobs };
  } finally {
    await server.stop();
  }
}

async function drain(database: Database): Promise<void> {
  const connection = await database.reserve();
  try {
    for (;;) {
      const claimed = await connection<{ id: number }[]>`
        with claimed as (
          delete from ready where id = any(array(select id from ready order by id limit ${batch} for update skip locked))
          returning id
        )
        insert into running (id) select id from claimed returning id`;
      if (claimed.length === 0) return;
      const ids = claimed.map(({ id }) => id);
      await connection`delete from running where id = any(${connection.array(ids, bigintOid)})`;
    }
  } finally {
    connection.release();
  }
}
