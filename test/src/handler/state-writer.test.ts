import { StateWriter } from "@galaxy-jobs/handler";
import {
  claimJobsSkippingLocked,
  enqueueJobsIfClaimed,
  insertJob,
  registerIncarnation,
  requestJobDeletion,
  type FinishedJob,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { expect } from "chai";
import { withDatabase } from "../support/database.ts";
import { handlerIdentity } from "../support/handler-identity.ts";
import { newJob } from "../support/new-job.ts";

describe("the writer of starts and ends", () => {
  const database = withDatabase();
  let incarnationId: number;
  let number = 0;

  beforeEach(async () => {
    number += 1;
    const identity = handlerIdentity(`handler${number}`);
    incarnationId = await registerIncarnation(database.sql, identity, {
      isGone: () => false,
      poisonLimit: 0,
    });
  });

  const writer = () =>
    new StateWriter({ fault: undefined, untilWritten: (_at, _job, write) => write() }, database.sql);

  const queued = async (count: number): Promise<JobRow[]> => {
    const { sql } = database;
    const [history] = await sql<{ id: number }[]>`insert into history (name) values ('h') returning id`;
    for (let made = 0; made < count; made += 1) await insertJob(sql, newJob({ historyId: history!.id }));
    const me = { incarnationId, serverName: `handler${number}`, tags: ["_default_"], limit: count };
    const jobs = await claimJobsSkippingLocked(sql, me);
    expect(jobs.length).to.equal(count);
    const to = { runnerName: "noop", destinationId: "noop", destinationParams: {} };
    const entered = await enqueueJobsIfClaimed(
      sql,
      jobs.map(({ id, fence }) => ({ id, fence, ...to })),
    );
    expect(entered.size).to.equal(count);
    return jobs;
  };

  const start = ({ id, fence }: JobRow) => ({ id, fence, externalId: `run ${id}`, commandLine: "true" });
  const end = ({ id, fence }: JobRow, changes: Partial<FinishedJob> = {}): FinishedJob => ({
    id,
    fence,
    state: "ok",
    info: null,
    exitCode: 0,
    messages: [],
    toolStdout: "",
    toolStderr: "",
    jobStdout: "",
    jobStderr: "",
    traceback: null,
    outputs: [],
    hasNoOutputs: true,
    ...changes,
  });
  const pathOf = async ({ id }: JobRow) => {
    const [row] = await database.sql<
      { states: string; externalId: string | null; commandLine: string | null; started: boolean }[]
    >`
      select string_agg(h.state, ' ' order by h.id) as states, min(job.job_runner_external_id) as external_id,
        min(job.command_line) as command_line, bool_and(job.start_time is not null) as started
      from job_state_history h join job on job.id = h.job_id where job.id = ${id}`;
    return row!;
  };

  it("writes a start and an end that come together as two changes, in their order", async () => {
    const jobs = await queued(7);
    const states = writer();
    const answers = jobs.flatMap((job) => [states.running(start(job)), states.end(end(job))]);
    expect(new Set(await Promise.all(answers))).to.deep.equal(new Set([true]));
    for (const job of jobs)
      expect(await pathOf(job)).to.deep.equal({
        states: "new queued running ok",
        externalId: `run ${job.id}`,
        commandLine: "true",
        started: true,
      });
  });

  it("writes an end that comes later behind the start", async () => {
    const [job] = await queued(1);
    const states = writer();
    expect(await states.running(start(job!))).to.equal(true);
    expect(await states.end(end(job!, { state: "error", exitCode: 3, info: "three" }))).to.equal(true);
    expect((await pathOf(job!)).states).to.equal("new queued running error");
  });

  it("gives each job its own answer: those of others, and those that were deleted, are left as they are", async () => {
    const [mine, stolen, deleted] = await queued(3);
    await database.sql`update job set fence = fence + 1 where id = ${stolen!.id}`;
    await requestJobDeletion(database.sql, deleted!.id, "not wanted");
    const states = writer();
    const answers = [mine!, stolen!, deleted!].map((job) => {
      void states.running(start(job));
      return states.end(end(job));
    });
    expect(await Promise.all(answers)).to.deep.equal([true, false, false]);
    expect((await pathOf(stolen!)).states).to.equal("new queued");
    expect((await pathOf(deleted!)).states).to.equal("new queued deleting");
  });

  it("takes what an earlier call has written for written, as after an answer that was lost", async () => {
    const [first, second] = await queued(2);
    expect(await writer().running(start(first!))).to.equal(true);
    expect(await writer().running(start(first!))).to.equal(true);
    const both = async (job: JobRow) => {
      const states = writer();
      void states.running(start(job));
      return states.end(end(job));
    };
    expect([await both(first!), await both(first!), await both(second!), await both(second!)]).to.deep.equal([
      true,
      true,
      true,
      true,
    ]);
    for (const job of [first!, second!]) expect((await pathOf(job)).states).to.equal("new queued running ok");
  });

  it("fails only the job that the database refuses", async () => {
    const jobs = await queued(3);
    const states = writer();
    const answers = jobs.map((job, index) =>
      states.end(end(job, index === 1 ? { exitCode: 2 ** 40 } : {})).catch((error: unknown) => String(error)),
    );
    const [before, refused, behind] = await Promise.all(answers);
    expect([before, behind]).to.deep.equal([true, true]);
    expect(refused).to.match(/out of range/);
    expect((await pathOf(jobs[1]!)).states).to.equal("new queued");
  });
});
