import {
  claimJobsSkippingLocked,
  insertDataset,
  insertJob,
  registerIncarnation,
  type ClaimRequest,
} from "@galaxy-jobs/shared-db";
import { expect } from "chai";
import { withDatabase } from "../support/database.ts";
import { handlerIdentity } from "../support/handler-identity.ts";
import { newJob } from "../support/new-job.ts";

for (const which of ["embedded", "system"] as const) {
  describe(`claims with express routes on the ${which} PostgreSQL`, () => {
    const database = withDatabase(which);
    let historyId: number;
    let request: ClaimRequest;

    before(async () => {
      const [history] = await database.sql<
        { id: number }[]
      >`insert into history (name) values ('h') returning id`;
      historyId = history!.id;
      const identity = handlerIdentity("handler0");
      const incarnationId = await registerIncarnation(database.sql, identity, {
        isGone: () => false,
        poisonLimit: 0,
      });
      request = {
        incarnationId,
        serverName: "handler0",
        tags: ["_default_"],
        limit: 100,
        express: [
          route("other", "1", { runnerName: "slow", destinationId: "far" }),
          route("t", "2", {
            runnerName: "local",
            destinationId: "near",
            destinationParams: { priority: "7" },
          }),
        ],
      };
    });

    const route = (toolId: string, toolVersion: string, to: object) => ({
      toolId,
      toolVersion,
      runnerName: "local",
      destinationId: "near",
      destinationParams: {},
      ...to,
    });

    const dataset = () =>
      insertDataset(database.sql, { historyId, jobId: null, state: "ok", name: "input", extension: "txt" });

    const submit = async (toolVersion: string, inputs: readonly number[] = []) => {
      const { job } = await insertJob(
        database.sql,
        newJob({ historyId, toolVersion, inputs: inputs.map((input) => ({ name: "input", id: input })) }),
      );
      return job.id;
    };

    const statesOf = async (id: number) => {
      const rows = await database.sql<{ state: string }[]>`
        select state from job_state_history where job_id = ${id} order by id`;
      return rows.map(({ state }) => state).join(" ");
    };

    it("queue the jobs of these tools with their destination, as if they had been queued next", async () => {
      const id = await submit("2");
      const [job] = await claimJobsSkippingLocked(database.sql, request);
      expect(job).to.include({
        id,
        state: "queued",
        fence: 1,
        runFence: 1,
        handler: "handler0",
        incarnationId: request.incarnationId,
        jobRunnerName: "local",
        destinationId: "near",
        queue: "_default_",
      });
      expect(job!.destinationParams).to.deep.equal({ priority: "7" });
      expect(await statesOf(id)).to.equal("new queued");
    });

    it("queue those with inputs that are all there", async () => {
      const ids = [await submit("2", [(await dataset()).id, (await dataset()).id])];
      const jobs = await claimJobsSkippingLocked(database.sql, request);
      expect(jobs.map(({ id, state }) => ({ id, state }))).to.deep.equal([{ id: ids[0], state: "queued" }]);
    });

    it("only claim what has an input that is not, another version, a wanted destination, or a handler that died over it", async () => {
      const [good, failed, deleted, purged] = [
        await dataset(),
        await dataset(),
        await dataset(),
        await dataset(),
      ];
      const wanting = await submit("2");
      await database.sql`update job set wanted_destination = 'elsewhere' where id = ${wanting}`;
      const suspect = await submit("2");
      await database.sql`update job set handler_deaths = 1 where id = ${suspect}`;
      const ids = [
        await submit("2", [good!.id, failed!.id]),
        await submit("2", [deleted!.id]),
        await submit("2", [purged!.id]),
        await submit("1"),
        wanting,
        suspect,
      ];
      // After the submissions, which look at the inputs too.
      const datasetOf = (input: number) => database.sql`(
        select dataset_id from history_dataset_association where id = ${input})`;
      await database.sql`update dataset set state = 'error' where id = ${datasetOf(failed!.id)}`;
      await database.sql`update history_dataset_association set deleted = true where id = ${deleted!.id}`;
      await database.sql`update dataset set purged = true where id = ${datasetOf(purged!.id)}`;
      const jobs = await claimJobsSkippingLocked(database.sql, request);
      expect(jobs.map(({ id }) => id)).to.have.members(ids);
      for (const { id, state, runFence, destinationId } of jobs) {
        expect({ state, runFence, destinationId }).to.deep.equal({
          state: "new",
          runFence: null,
          destinationId: null,
        });
        expect(await statesOf(id)).to.equal("new");
      }
    });
  });
}
