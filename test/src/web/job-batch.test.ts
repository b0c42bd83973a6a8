import { expect } from "chai";
import {
  apiClient,
  must,
  paste,
  startSharedGalaxy,
  type ApiClient,
  type SharedGalaxy,
} from "../support/api-client.ts";
import { withDatabase } from "../support/database.ts";
import { newJob } from "../support/new-job.ts";
import { silentLogger } from "@galaxy-jobs/runtime";
import { until } from "../support/until.ts";
import { SubmitQueue } from "@galaxy-jobs/web";
import { createHistory, ensureUser, type NewJob } from "@galaxy-jobs/shared-db";

describe("a batch of runs", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  let alice: ApiClient;
  before(async () => {
    shared = await startSharedGalaxy();
    ({ alice } = shared);
  });
  after(() => shared?.galaxy.stop());

  const post = (body: object, client = alice) => client("/api/jobs/batch", { body });
  const sleep = (seconds = 0) => ({ tool_id: "sleep", inputs: { seconds } });

  it("makes a job of each, answered in order as if it had come alone, and all are run", async () => {
    const input = await paste(alice, "one\ntwo\n");
    const cat = { tool_id: "cat1", inputs: { input1: { src: "hda", id: input }, queries: [] } };
    const { results, created, refused } = await must(post({ runs: [cat, sleep(), cat] }));
    expect({ created, refused }).to.deep.equal({ created: 3, refused: 0 });
    expect(results.map((result: any) => [result.status, result.jobs[0].tool_id])).to.deep.equal([
      [200, "cat1"],
      [200, "sleep"],
      [200, "cat1"],
    ]);
    for (const { jobs } of results)
      await until(async () => (await must(alice(`/api/jobs/${jobs[0].id}`))).state === "ok", {
        what: `job ${jobs[0].id} to be ok`,
        deadline: 60_000,
      });
    const made = await alice(`/api/datasets/${results[2].outputs[0].id}/display`);
    expect(made.text).to.equal("one\ntwo\n");
  });

  it("tells each faulty run what is wrong with it, and makes the others", async () => {
    const others = await paste(shared.bob, "private\n");
    const { results, created, refused } = await must(
      post({
        runs: [
          sleep(),
          { tool_id: "no_such_tool" },
          { inputs: {} },
          "sleep",
          { tool_id: "sleep", inputs: { seconds: "long" } },
          { tool_id: "cat1", inputs: { input1: { src: "hda", id: others }, queries: [] } },
          { tool_id: "upload1", inputs: {} },
          sleep(),
        ],
      }),
    );
    expect({ created, refused }).to.deep.equal({ created: 2, refused: 6 });
    expect(results.map(({ status }: any) => status)).to.deep.equal([200, 404, 400, 400, 400, 403, 400, 200]);
    expect(results[2].err_msg).to.contain("tool_id");
    expect(results[4].err_data).to.have.property("seconds");
    expect(results[6].err_msg).to.contain("POST /api/tools");
  });

  it("takes a thousand, and refuses more, none, and what is no batch, as a whole", async () => {
    const before = (await must(alice("/api/jobs?limit=1000"))).length as number;
    for (const body of [{ runs: [] }, { runs: Array(1001).fill({ tool_id: "x" }) }, { jobs: [] }, {}])
      expect((await post(body)).status).to.equal(400);
    expect((await post({ runs: [sleep()] }, shared.nobody)).status).to.equal(403);
    expect((await must(alice("/api/jobs?limit=1000"))).length).to.equal(before);
    const runs = Array.from({ length: 1000 }, (_, index) => (index % 10 === 9 ? { tool_id: "x" } : sleep()));
    const { results, created } = await must(post({ runs }));
    expect(created).to.equal(900);
    const ids = results.flatMap(({ jobs }: any) => jobs?.map(({ id }: any) => id) ?? []);
    expect(new Set(ids).size).to.equal(900);
  });

  it("puts runs into the history that the batch names, where they name none", async () => {
    const history = async (name: string) =>
      (await must(alice("/api/histories", { body: { name } }))).id as string;
    const [common, own] = [await history("common"), await history("own")];
    const { results } = await must(
      post({ history_id: common, runs: [sleep(), { ...sleep(), history_id: own }] }),
    );
    expect(results.map(({ jobs }: any) => jobs[0].history_id)).to.deep.equal([common, own]);
  });

  it("is of the caller alone", async () => {
    const { results } = await must(post({ runs: [sleep()] }));
    expect((await shared.bob(`/api/jobs/${results[0].jobs[0].id}`)).status).to.equal(403);
    expect(
      (
        await apiClient(shared.galaxy.address, "wrong-key-wrong-key")("/api/jobs/batch", {
          body: { runs: [] },
        })
      ).status,
    ).to.equal(401);
  });
});

describe("jobs that are submitted at the same time", () => {
  const database = withDatabase();
  const queues: SubmitQueue[] = [];
  afterEach(async () => {
    for (const queue of queues.splice(0)) await queue.stop();
  });
  const job = (userId: number, historyId: number, over: Partial<NewJob> = {}) =>
    newJob({
      userId,
      historyId,
      toolId: "noop",
      outputs: [{ name: "out", label: "out", extension: "txt" }],
      ...over,
    });

  it("share transactions, and each is answered with its own row", async () => {
    const { sql } = database;
    const user = await ensureUser(sql, "together@example.org");
    const history = await createHistory(sql, user.id, "together");
    const queue = new SubmitQueue(sql, silentLogger);
    queues.push(queue);
    const written = await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        queue.add(job(user.id, history.id, { toolId: `tool${index}` })),
      ),
    );
    for (const [index, { job: row, outputs }] of written.entries()) {
      expect(row.toolId).to.equal(`tool${index}`);
      expect(outputs.map(({ name, dataset }) => [name, dataset.creatingJobId])).to.deep.equal([
        ["out", row.id],
      ]);
    }
    // The first comes alone; the others found a transaction under way. now() is the start of the transaction.
    const [{ transactions } = { transactions: 0 }] = await sql<{ transactions: number }[]>`
      select count(distinct create_time)::int as transactions from job where history_id = ${history.id}`;
    expect(transactions).to.equal(4);
  });

  it("do not fail with one that the database refuses", async () => {
    const { sql } = database;
    const user = await ensureUser(sql, "apart@example.org");
    const history = await createHistory(sql, user.id, "apart");
    const queue = new SubmitQueue(sql, silentLogger);
    queues.push(queue);
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        queue.add(job(user.id, index === 7 ? history.id + 1_000_000 : history.id)),
      ),
    );
    expect(answers.map(({ status }) => status === "fulfilled")).to.deep.equal(
      Array.from({ length: 20 }, (_, index) => index !== 7),
    );
    const [{ jobs } = { jobs: 0 }] = await sql<{ jobs: number }[]>`
      select count(*)::int as jobs from job where history_id = ${history.id}`;
    expect(jobs).to.equal(19);
  });
});
