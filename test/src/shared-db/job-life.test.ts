import { randomUUID } from "node:crypto";
import { expect } from "chai";
import {
  adoptJobs,
  attemptTimes,
  claimJobsSkippingLocked,
  earlierAttempts,
  enqueueJobsIfClaimed,
  finishJobIfOwned,
  insertDataset,
  insertJob,
  jobsToStop,
  jobStates,
  legalChanges,
  markJobRunningIfQueued,
  registerIncarnation,
  releaseJobsIfNew,
  requestJobDeletion,
  resubmitJobIfOwned,
  resumeJobIfPaused,
  ServerNameTakenError,
  type Database,
  type FinishedJob,
  type HandlerIdentity,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { withDatabase } from "../support/database.ts";
import { handlerIdentity } from "../support/handler-identity.ts";
import { newJob } from "../support/new-job.ts";

const identity = (serverName: string): HandlerIdentity => handlerIdentity(serverName, { leaseSeconds: 15 });

for (const which of ["embedded", "system"] as const) {
  describe(`the statements of a job's life on the ${which} PostgreSQL`, () => {
    const database = withDatabase(which);
    let historyId: number;

    beforeEach(async () => {
      const sql = database.sql;
      await sql`truncate galaxy_user, history, job, job_state_history, dataset, handler_incarnation cascade`;
      const [history] = await sql<{ id: number }[]>`insert into history (name) values ('h') returning id`;
      historyId = history!.id;
    });

    const submit = async (inputs: number[] = []) => {
      const { job, outputs } = await insertJob(
        database.sql,
        newJob({
          historyId,
          inputs: inputs.map((id) => ({ name: "input", id })),
          outputs: [{ name: "out", label: "out", extension: "txt" }],
        }),
      );
      return { id: job.id, state: job.state, outputs: outputs.map(({ dataset }) => dataset) };
    };

    const handler = (name: string) =>
      registerIncarnation(database.sql, identity(name), { isGone: () => false, poisonLimit: 3 });

    const claimWith = (incarnationId: number, serverName: string, limit = 10) =>
      claimJobsSkippingLocked(database.sql, { incarnationId, serverName, tags: ["_default_"], limit });

    const run = async (sql: Database, job: JobRow) => {
      const queue = { runnerName: "local", destinationId: "local", destinationParams: {} };
      expect([
        ...(await enqueueJobsIfClaimed(sql, [{ id: job.id, fence: job.fence, ...queue }])),
      ]).to.deep.equal([job.id]);
      expect(
        await markJobRunningIfQueued(sql, {
          id: job.id,
          fence: job.fence,
          externalId: "7",
          commandLine: "true",
        }),
      ).to.equal(true);
    };

    const finished = (
      job: JobRow,
      outputs: readonly { id: number }[],
      state: "ok" | "error" | "deleted" = "ok",
    ): FinishedJob => ({
      id: job.id,
      fence: job.fence,
      state,
      info: null,
      exitCode: 0,
      messages: [],
      traceback: null,
      toolStdout: "nul\0here",
      toolStderr: "",
      jobStdout: "",
      jobStderr: "",
      outputs: outputs.map(({ id }) => ({
        id,
        state: "ok",
        fileSize: 3,
        peek: "abc",
        info: null,
      })),
    });

    const states = async (jobId: number) =>
      (
        await database.sql<
          { state: string }[]
        >`select state from job_state_history where job_id = ${jobId} order by id`
      ).map(({ state }) => state);

    it("take a job from new to ok, with a history row for each state", async () => {
      const { id, outputs } = await submit();
      const incarnation = await handler("handler0");
      const [job] = await claimWith(incarnation, "handler0");
      expect(job).to.include({ id, fence: 1, handler: "handler0", assignedHandler: "_default_" });
      await run(database.sql, job!);
      expect(await finishJobIfOwned(database.sql, finished(job!, outputs))).to.equal(true);
      expect(await states(id)).to.deep.equal(["new", "queued", "running", "ok"]);
      const [dataset] = await database.sql`select state, file_size from dataset where job_id = ${id}`;
      expect(dataset).to.include({ state: "ok", fileSize: 3 });
    });

    it("give each job to exactly one of many claimers", async () => {
      for (let count = 0; count < 60; count += 1) await submit();
      const incarnations = await Promise.all(Array.from({ length: 6 }, (_, index) => handler(`h${index}`)));
      const batches = await Promise.all(
        incarnations.flatMap((incarnation, index) => [
          claimWith(incarnation, `h${index}`, 7),
          claimWith(incarnation, `h${index}`, 7),
        ]),
      );
      const ids = batches.flat().map(({ id }) => id);
      expect(new Set(ids).size).to.equal(ids.length);
      expect(ids.length).to.be.within(1, 60);
    });

    it("refuse every write under an old fence", async () => {
      await submit();
      const first = await handler("handler0");
      const [job] = await claimWith(first, "handler0");
      await run(database.sql, job!);
      const gone = { isGone: () => true, poisonLimit: 3 };
      const second = await registerIncarnation(database.sql, identity("handler0"), gone);
      expect(second).to.not.equal(first);
      const place = { hostname: "here", bootId: "b", runDirectoryId: "d" };
      const reach = { tags: ["_default_"], runners: ["local"], clusterRunners: [], limit: 10 };
      const me = { incarnationId: second, serverName: "handler0" };
      const [adopted] = await adoptJobs(database.sql, { ...me, ...place, ...reach });
      expect(adopted).to.include({ id: job!.id, fence: 2, runFence: 1, state: "running" });
      expect(await finishJobIfOwned(database.sql, finished(job!, []))).to.equal(false);
      expect(await finishJobIfOwned(database.sql, finished(adopted!, []))).to.equal(true);
    });

    it("give a released job back to the tag it came from", async () => {
      await submit();
      const incarnation = await handler("handler0");
      const [job] = await claimWith(incarnation, "handler0");
      expect(await releaseJobsIfNew(database.sql, [job!])).to.deep.equal([job!.id]);
      const other = await handler("handler1");
      expect((await claimWith(other, "handler1"))[0]).to.include({
        id: job!.id,
        fence: 3,
        handler: "handler1",
      });
    });

    it("delete an unclaimed job at once and ask the handler of a claimed one", async () => {
      const unclaimed = await submit();
      expect(await requestJobDeletion(database.sql, unclaimed.id, "why")).to.deep.equal({
        outcome: "deleted",
      });
      expect(await requestJobDeletion(database.sql, unclaimed.id, "why")).to.deep.equal({
        outcome: "ended",
        state: "deleted",
      });
      await submit();
      const incarnation = await handler("handler0");
      const [job] = await claimWith(incarnation, "handler0");
      expect(await requestJobDeletion(database.sql, job!.id, "why")).to.deep.equal({
        outcome: "deleting",
        handler: "handler0",
      });
      const queue = { runnerName: "local", destinationId: "local", destinationParams: {} };
      expect(
        (await enqueueJobsIfClaimed(database.sql, [{ id: job!.id, fence: 1, ...queue }])).size,
        "the deletion wins",
      ).to.equal(0);
      expect(await jobsToStop(database.sql, incarnation)).to.deep.equal([
        { id: job!.id, fence: 1, state: "deleting" },
      ]);
      expect(await finishJobIfOwned(database.sql, finished(job!, [], "deleted"))).to.equal(true);
      expect(await requestJobDeletion(database.sql, 999_999_999, "why")).to.deep.equal({
        outcome: "unknown",
      });
    });

    it("let a job wait for its input, run when it is there, and pause when it failed", async () => {
      const maker = await submit();
      const user = await submit([maker.outputs[0]!.id]);
      expect(user.state).to.equal("waiting");
      const incarnation = await handler("handler0");
      const [job] = await claimWith(incarnation, "handler0");
      expect(job!.id).to.equal(maker.id);
      await run(database.sql, job!);
      await finishJobIfOwned(database.sql, finished(job!, maker.outputs));
      expect((await claimWith(incarnation, "handler0")).map(({ id }) => id)).to.deep.equal([user.id]);

      const failing = await submit();
      const next = await submit([failing.outputs[0]!.id]);
      const last = await submit([next.outputs[0]!.id]);
      const [bad] = await claimWith(incarnation, "handler0");
      await run(database.sql, bad!);
      await finishJobIfOwned(database.sql, finished(bad!, [], "error"));
      expect(await states(next.id)).to.deep.equal(["waiting", "paused"]);
      expect(await states(last.id)).to.deep.equal(["waiting", "paused"]);
      expect((await submit([failing.outputs[0]!.id])).state).to.equal("paused");
    });

    it("resume a paused job and those that wait for it", async () => {
      const failing = await submit();
      const next = await submit([failing.outputs[0]!.id]);
      const last = await submit([next.outputs[0]!.id]);
      const incarnation = await handler("handler0");
      const [bad] = await claimWith(incarnation, "handler0");
      await run(database.sql, bad!);
      await finishJobIfOwned(database.sql, finished(bad!, [], "error"));
      expect(await resumeJobIfPaused(database.sql, next.id)).to.deep.equal([next.id, last.id]);
      expect(await states(next.id)).to.deep.equal(["waiting", "paused", "new"]);
      expect(await states(last.id)).to.deep.equal(["waiting", "paused", "waiting"]);
    });

    it("put a failed job back, keep its attempt, and give it out before new ones when its delay is over", async () => {
      const failing = await submit();
      const incarnation = await handler("handler0");
      const [job] = await claimWith(incarnation, "handler0");
      await run(database.sql, job!);
      const { outputs: _, ...attempt } = finished(job!, [], "error");
      const next = {
        cause: "tool_detected_failure",
        failure: "Exit code 1",
        destination: "big",
        handler: null,
      };
      const again = { ...attempt, ...next, exitCode: 1, info: "it failed" };
      const times = await attemptTimes(database.sql, failing.id);
      expect(times.attempt).to.equal(1);
      expect(times.secondsSinceQueued).to.be.within(0, 60);
      const waitsForIt = await submit([failing.outputs[0]!.id]);
      expect(await resubmitJobIfOwned(database.sql, { ...again, delay: 3600 })).to.equal("_default_");
      expect(await resubmitJobIfOwned(database.sql, { ...again, delay: 0 }), "only once").to.equal(undefined);
      expect(await finishJobIfOwned(database.sql, finished(job!, [])), "no end any more").to.equal(false);
      expect(await states(failing.id)).to.deep.equal(["new", "queued", "running", "resubmitted"]);
      expect(await states(waitsForIt.id), "it has not ended").to.deep.equal(["waiting"]);
      const [row] = await database.sql<JobRow[]>`select * from job where id = ${failing.id}`;
      expect(row).to.include({
        incarnationId: null,
        runFence: null,
        startTime: null,
        wantedDestination: "big",
      });
      expect(await earlierAttempts(database.sql, failing.id)).to.have.lengthOf(1);
      expect((await earlierAttempts(database.sql, failing.id))[0]).to.include({
        attempt: 1,
        handler: "handler0",
        destinationId: "local",
        cause: "tool_detected_failure",
        exitCode: 1,
        toolStdout: "nul�here",
      });

      const fresh = await submit();
      expect((await claimWith(incarnation, "handler0", 1)).map(({ id }) => id)).to.deep.equal([fresh.id]);
      const fresher = await submit();
      await database.sql`update job set resubmit_after = now() where id = ${failing.id}`;
      expect((await claimWith(incarnation, "handler0", 1)).map(({ id }) => id)).to.deep.equal([failing.id]);
      expect((await claimWith(incarnation, "handler0", 5)).map(({ id }) => id)).to.deep.equal([fresher.id]);
      expect((await attemptTimes(database.sql, failing.id)).attempt).to.equal(2);
    });

    it("give resubmitted jobs out without a look at the ready window", async () => {
      await submit();
      const incarnation = await handler("handler0");
      const [user] = await database.sql<{ id: number }[]>`
        insert into galaxy_user (email, username) values ('a@b', 'a') returning id`;
      await database.sql`update job set user_id = ${user!.id}`;
      const claimPast = () =>
        claimJobsSkippingLocked(database.sql, {
          incarnationId: incarnation,
          serverName: "handler0",
          tags: ["_default_"],
          limit: 1,
          exceptUsers: [user!.id],
        });
      expect(await claimPast()).to.deep.equal([]);
      await database.sql`update job set state = 'resubmitted', resubmit_after = now()`;
      expect(await claimPast()).to.have.lengthOf(1);
    });

    it("refuse a second live process with the same server name", async () => {
      await handler("handler0");
      const error = await handler("handler0").then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(ServerNameTakenError);
      expect((error as Error).message)
        .to.contain("handler0")
        .and.to.contain("--server-name");
      const taken = await registerIncarnation(database.sql, identity("handler0"), {
        isGone: () => true,
        poisonLimit: 3,
      });
      expect(taken).to.be.a("number");
    });

    it("number the datasets of a history without gaps or doubles under concurrency", async () => {
      await Promise.all(
        Array.from({ length: 20 }, () =>
          insertDataset(database.sql, {
            historyId,
            jobId: null,
            state: "ok",
            name: "d",
            extension: "txt",
            uuid: randomUUID(),
          }),
        ),
      );
      const rows = await database.sql<
        { hid: number }[]
      >`select hid from history_dataset_association where history_id = ${historyId} order by hid`;
      expect(rows.map(({ hid }) => hid)).to.deep.equal(Array.from({ length: 20 }, (_, index) => index + 1));
    });
  });
}

describe("the table of legal state changes", () => {
  it("names only known states, and leaves terminal ones alone", () => {
    for (const state of jobStates) for (const next of legalChanges[state]) expect(jobStates).to.include(next);
    for (const state of ["ok", "error", "deleted"] as const) expect(legalChanges[state]).to.deep.equal([]);
  });

  it("lets every state reach an end", () => {
    const ends = new Set<string>(["ok", "error", "deleted"]);
    for (let round = 0; round < jobStates.length; round += 1) {
      for (const state of jobStates) if (legalChanges[state].some((next) => ends.has(next))) ends.add(state);
    }
    expect([...ends]).to.have.members([...jobStates]);
  });
});
