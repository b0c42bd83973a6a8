import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { Maintenance, maintenanceTasks, type MaintenanceTask } from "@galaxy-jobs/handler";
import { loadGalaxyConfig, silentLogger, type GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  ensureDefaultHistory,
  ensureUser,
  insertJob,
  listMaintenanceRuns,
  openDatabase,
} from "@galaxy-jobs/shared-db";
import { withDatabase } from "../support/database.ts";
import { newJob } from "../support/new-job.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";

const taskOf = (name: string): MaintenanceTask => maintenanceTasks.find((task) => task.name === name)!;

describe("maintenance", () => {
  const database = withDatabase();
  let folder: string;
  before(async () => (folder = await traversableFolder("galaxy-test-maintenance-")));
  after(() => rm(folder, { recursive: true, force: true }));
  // A task has one run a minute; the tests have more.
  beforeEach(() => database.sql`delete from maintenance_run`);

  const configure = (options: Record<string, string> = {}): GalaxyConfig =>
    loadGalaxyConfig({
      env: {
        GALAXY_CONFIG_OVERRIDE_DATABASE_CONNECTION: database.url,
        GALAXY_CONFIG_OVERRIDE_DATA_DIR: folder,
        ...options,
      },
    });
  const maintenance = (config: GalaxyConfig, tasks?: readonly MaintenanceTask[]) =>
    new Maintenance({
      config,
      database: database.sql,
      logger: silentLogger,
      ...(tasks === undefined ? {} : { tasks }),
    });

  /** A job with one output, which ended so long ago. */
  async function endedJob(days: number, state = "ok"): Promise<number> {
    const { sql } = database;
    const user = await ensureUser(sql, "tester@example.org");
    const history = await ensureDefaultHistory(sql, user.id);
    const { job } = await insertJob(
      sql,
      newJob({
        userId: user.id,
        historyId: history.id,
        toolId: "sort",
        outputs: [{ name: "out", label: "out", extension: "txt" }],
      }),
    );
    const { id } = job;
    await sql`
      update job set state = ${state}, destination_id = 'local', run_fence = 1, fence = 1,
        create_time = now() - make_interval(days => ${days}, secs => 30),
        start_time = now() - make_interval(days => ${days}, secs => 20), end_time = now() - make_interval(days => ${days})
      where id = ${id}`;
    await sql`insert into job_state_history (job_id, state, create_time) values (${id}, ${state}, now() - make_interval(days => ${days}))`;
    return id;
  }

  describe("a task that is due", () => {
    it("is run by one of the processes that try, and leaves one row", async () => {
      let runs = 0;
      const slow: MaintenanceTask = {
        name: "slow",
        description: "",
        schedule: "* * * * * *",
        run: async () => {
          runs += 1;
          await until(async () => (answers.length === 2 ? true : undefined), {
            what: "the others to give up",
          });
          return { things: 3 };
        },
      };
      const answers: unknown[] = [];
      const config = configure();
      const all = [1, 2, 3].map(async () => {
        const run = await maintenance(config).run(slow);
        if (run === undefined) answers.push(run);
        return run;
      });
      const done = (await Promise.all(all)).filter((run) => run !== undefined);
      expect(runs).to.equal(1);
      expect(done).to.have.length(1);
      expect(await maintenance(config).run(slow), "a second run in the same minute").to.equal(undefined);
      const rows = await listMaintenanceRuns(database.sql, { limit: 10 });
      expect(rows.map(({ task, outcome, counts }) => ({ task, outcome, counts }))).to.deep.equal([
        { task: "slow", outcome: "done", counts: { things: 3 } },
      ]);
    });

    it("is started by its schedule, and by none after the stop", async () => {
      const ran: number[] = [];
      const each: MaintenanceTask = {
        name: "each-second",
        description: "",
        schedule: "* * * * * *",
        run: () => Promise.resolve({ ran: ran.push(1) }),
      };
      const service = maintenance(configure(), [each]);
      await service.start();
      await until(async () => (ran.length > 0 ? true : undefined), {
        what: "the schedule to start the task",
      });
      await service.stop();
      await service.stop();
    });

    it("does not run where maintenance is off", async () => {
      const service = maintenance(configure({ GALAXY_CONFIG_OVERRIDE_MAINTENANCE: "false" }));
      await service.start();
      await service.stop();
      expect(await listMaintenanceRuns(database.sql, { limit: 1 })).to.deep.equal([]);
    });

    it("that fails says why in its row, and a run whose process died is marked as lost by the next one", async () => {
      await database.sql`insert into maintenance_run (task, slot, server_name, hostname)
        values ('failing', now() - interval '1 hour', 'gone', 'elsewhere')`;
      const failing: MaintenanceTask = {
        name: "failing",
        description: "",
        schedule: "0 0 1 1 *",
        run: () => Promise.reject(new Error("no space left on device")),
      };
      const run = await maintenance(configure()).run(failing);
      expect(run).to.include({ outcome: "failed", error: "no space left on device" });
      const rows = await listMaintenanceRuns(database.sql, { limit: 10 });
      expect(rows.map(({ outcome, serverName }) => [serverName, outcome])).to.deep.equal([
        ["main", "failed"],
        ["gone", "lost"],
      ]);
    });
  });

  describe("purge-jobs", () => {
    it("keeps every job unless a retention is configured", async () => {
      const id = await endedJob(4000);
      const run = await maintenance(configure()).run(taskOf("purge-jobs"));
      expect(run?.counts).to.deep.equal({ jobs: 0 });
      expect(await database.sql`select from job where id = ${id}`).to.have.length(1);
      await database.sql`update job set end_time = now() where id = ${id}`;
    });

    it("removes what ended before the retention, with all that hangs on it; datasets, newer jobs and locked ones stay", async () => {
      const { sql } = database;
      const [old, failed, recent, paused, locked] = [
        await endedJob(40),
        await endedJob(31, "error"),
        await endedJob(29),
        await endedJob(50, "paused"),
        await endedJob(60),
      ];
      await sql`insert into job_attempt (job_id, run_fence, attempt, handler, end_time, cause)
        values (${old}, 1, 1, 'handler0', now(), 'unknown_error')`;
      const other = openDatabase(database.address, { applicationName: "test-lock", maxConnections: 1 });
      const config = configure({ GALAXY_CONFIG_OVERRIDE_JOB_RETENTION_DAYS: "30" });
      try {
        await other.begin(async (transaction) => {
          await transaction`select from job where id = ${locked} for share`;
          const run = await maintenance(config).run(taskOf("purge-jobs"));
          expect(run).to.deep.include({ outcome: "done", counts: { jobs: 2 } });
        });
      } finally {
        await other.end();
      }
      const left = await sql<{ id: number }[]>`
        select id from job where id in (${old}, ${failed}, ${recent}, ${paused}, ${locked}) order by id`;
      expect(left.map(({ id }) => id)).to.deep.equal([recent, paused, locked]);
      for (const table of ["job_state_history", "job_attempt", "job_to_output_dataset"])
        expect(
          await sql`select from ${sql(table)} where job_id in (${old}, ${failed})`,
          table,
        ).to.have.length(0);
      const [orphans] = await sql<
        { count: number }[]
      >`select count(*)::int as count from dataset where job_id is null`;
      expect(orphans!.count).to.equal(2);
    });
  });

  describe("remove-run-directories", () => {
    const twoHours = 7_200_000;
    async function runDirectory(root: string, name: string, age = twoHours): Promise<string> {
      const path = join(root, "000", name);
      await mkdir(join(path, "working"), { recursive: true });
      await writeFile(join(path, "working", "data"), "");
      const then = new Date(Date.now() - age);
      for (const part of [join(path, "working"), path]) await utimes(part, then, then);
      return path;
    }
    const names = (root: string) => readdir(join(root, "000")).catch(() => [] as string[]);

    it("removes those of unknown and ended jobs and of earlier attempts; those in use, young or not ours stay", async () => {
      const config = configure();
      const root = config.jobWorkingDirectory;
      await rm(root, { recursive: true, force: true });
      const ended = await endedJob(1);
      const queued = await endedJob(1, "paused");
      await database.sql`update job set end_time = null, run_fence = 2, fence = 2 where id = ${queued}`;
      await runDirectory(root, `${ended}.1`);
      await runDirectory(root, `${queued}.1`);
      await runDirectory(root, `${queued}.2`);
      await runDirectory(root, "999999.1");
      await runDirectory(root, "999998.1", 60_000);
      await runDirectory(root, "notes");
      const inUse = await runDirectory(root, "999997.1");
      const process_ = spawn("sleep", ["60"], {
        env: { PATH: process.env["PATH"], GALAXY_JOB_RUN_DIRECTORY: inUse },
      });
      try {
        await once(process_, "spawn");
        const run = await maintenance(config).run(taskOf("remove-run-directories"));
        expect(run).to.deep.include({ outcome: "done", counts: { directories: 3, uploads: 0 } });
        expect(await names(root)).to.have.members([`${queued}.2`, "999998.1", "notes", "999997.1"]);
      } finally {
        process_.kill("SIGKILL");
        await once(process_, "exit");
      }
    });

    it("keeps what cleanup_job keeps, for as long as job_directory_retention_days says", async () => {
      const never = { GALAXY_CONFIG_OVERRIDE_CLEANUP_JOB: "never" };
      const root = configure().jobWorkingDirectory;
      await rm(root, { recursive: true, force: true });
      const id = await endedJob(5);
      await runDirectory(root, `${id}.1`, 3 * 86_400_000);
      const task = taskOf("remove-run-directories");
      const removed = async (options: Record<string, string>) => {
        await database.sql`delete from maintenance_run`;
        return (await maintenance(configure({ ...never, ...options })).run(task))?.counts?.["directories"];
      };
      expect(await removed({})).to.equal(0);
      expect(await removed({ GALAXY_CONFIG_OVERRIDE_JOB_DIRECTORY_RETENTION_DAYS: "4" })).to.equal(0);
      expect(await removed({ GALAXY_CONFIG_OVERRIDE_JOB_DIRECTORY_RETENTION_DAYS: "2" })).to.equal(1);
    });

    it("removes uploads that nobody finished", async () => {
      const { newFileDirectory } = configure();
      await mkdir(newFileDirectory, { recursive: true });
      const old = new Date(Date.now() - 2 * 86_400_000);
      for (const name of ["upload-old", "upload-young", "mine"])
        await writeFile(join(newFileDirectory, name), "");
      for (const name of ["upload-old", "mine"]) await utimes(join(newFileDirectory, name), old, old);
      const run = await maintenance(configure()).run(taskOf("remove-run-directories"));
      expect(run?.counts).to.include({ uploads: 1 });
      expect(await readdir(newFileDirectory)).to.have.members(["upload-young", "mine"]);
    });
  });

  describe("roll-up-statistics", () => {
    it("counts each end of a job once, however often it runs and whatever is purged", async () => {
      const { sql } = database;
      await maintenance(configure()).run(taskOf("roll-up-statistics"));
      await sql`delete from job_statistics_hour`;
      for (const state of ["ok", "ok", "error"]) await endedJob(2, state);
      const roll = async () => {
        await sql`delete from maintenance_run`;
        await maintenance(configure()).run(taskOf("roll-up-statistics"));
        return sql<{ state: string; jobs: number; run: number; wait: number }[]>`
          select state, sum(jobs)::int as jobs, sum(run_seconds)::float8 as run, sum(wait_seconds)::float8 as wait
          from job_statistics_hour where tool_id = 'sort' group by state order by state`;
      };
      const expected = [
        { state: "error", jobs: 1, run: 20, wait: 10 },
        { state: "ok", jobs: 2, run: 40, wait: 20 },
      ];
      expect([...(await roll())]).to.deep.equal(expected);
      expect([...(await roll())], "a second time").to.deep.equal(expected);
    });
  });

  describe("prune-registrations", () => {
    it("forgets handlers that ended long ago and hold nothing", async () => {
      const { sql } = database;
      await sql`
        insert into handler_incarnation (server_name, hostname, boot_id, pid, pid_start_time, tags, version, protocol, end_time, end_reason)
        select name, 'host', 'boot', 1, '1', '{}', '1', 1, ended, case when ended is null then null else 'stopped' end
        from (values ('old', now() - interval '40 days'), ('recent', now() - interval '2 days'), ('live', null), ('owner', now() - interval '40 days'))
          as h (name, ended)`;
      await sql`
        update job set state = 'queued', end_time = null, handler = 'owner',
          incarnation_id = (select id from handler_incarnation where server_name = 'owner')
        where id = ${await endedJob(0)}`;
      const run = await maintenance(configure()).run(taskOf("prune-registrations"));
      expect(run?.counts).to.deep.equal({ registrations: 1, virtualTimes: 0, maintenanceRuns: 0 });
      const left = await sql<{ serverName: string }[]>`select server_name from handler_incarnation`;
      expect(left.map(({ serverName }) => serverName)).to.have.members(["recent", "live", "owner"]);
    });
  });
});
