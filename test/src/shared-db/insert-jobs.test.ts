import {
  createHistory,
  ensureUser,
  findDataset,
  findJob,
  insertDataset,
  insertJobs,
  type DatasetState,
  type InsertedJob,
  type NewJob,
} from "@galaxy-jobs/shared-db";
import { expect } from "chai";
import { withDatabase } from "../support/database.ts";
import { newJob } from "../support/new-job.ts";

for (const which of ["embedded", "system"] as const) {
  describe(`new jobs in one statement on the ${which} PostgreSQL`, () => {
    const database = withDatabase(which);
    let userId: number;
    let historyId: number;

    before(async () => {
      const user = await ensureUser(database.sql, "one@example.org");
      userId = user.id;
      historyId = (await createHistory(database.sql, userId, "one")).id;
    });

    const params = { text: 'it\'s \\ "quoted" ☃', list: [1, null, { deep: true }] };
    const job = (over: Partial<NewJob> = {}) => newJob({ userId, historyId, params, ...over });

    const dataset = async (state: DatasetState) => {
      const made = { historyId, jobId: null, state, name: "input", extension: "txt" };
      return (await insertDataset(database.sql, made)).id;
    };

    const asWritten = async ({ job: row, outputs }: InsertedJob) => ({
      job: await findJob(database.sql, row.id),
      outputs: await Promise.all(
        outputs.map(async ({ name, dataset: { id } }) => ({
          name,
          dataset: await findDataset(database.sql, id),
        })),
      ),
    });

    it("are answered as they are written, in the order of what was asked", async () => {
      const [ready, failed, unready] = [
        await dataset("ok"),
        await dataset("error"),
        await dataset("running"),
      ];
      const outputs = [
        { name: "b", label: "second 'name'", extension: "bam" },
        { name: "a", label: "first", extension: "txt", visible: false },
      ];
      const wanted = [
        job({ outputs }),
        job({ inputs: [{ name: "x", id: ready }], priority: 50 }),
        job({ inputs: [{ name: "x", id: unready }], outputs }),
        job({ inputs: [ready, failed, unready].map((id, at) => ({ name: `x|${at}`, id })), outputs }),
        job({ handler: null, assignedHandler: "_default_", assignedTag: "_default_", userId: null }),
      ];
      const inserted = await insertJobs(database.sql, wanted);
      expect(inserted.map(({ job: { state } }) => state)).to.deep.equal([
        "new",
        "new",
        "waiting",
        "paused",
        "new",
      ]);
      expect(await Promise.all(inserted.map(asWritten))).to.deep.equal(inserted);
      for (const [index, { job: row, outputs: made }] of inserted.entries()) {
        expect(row).to.include({ userId: wanted[index]!.userId, handler: wanted[index]!.handler });
        expect(row.params).to.deep.equal(wanted[index]!.params);
        expect(
          made.map(({ name, dataset: { name: label, visible } }) => [name, label, visible]),
        ).to.deep.equal(
          wanted[index]!.outputs.map(({ name, label, visible = true }) => [name, label, visible]),
        );
      }
      const hids = inserted.flatMap((one) => one.outputs.map(({ dataset: { hid } }) => hid));
      expect(hids).to.deep.equal(hids.map((_, at) => hids[0]! + at));
      const history = await database.sql<{ state: string }[]>`
        select state from job_state_history where job_id = any(${database.sql.array(
          inserted.map(({ job: { id } }) => id),
          20,
        )}) order by id`;
      expect(history.map(({ state }) => state)).to.deep.equal(inserted.map(({ job: { state } }) => state));
    });

    it("get tickets of their own, one after the other", async () => {
      const inserted = await insertJobs(database.sql, [job(), job({ priority: 20 }), job()]);
      const [first, second, third] = inserted.map(({ job: { ticket } }) => ticket);
      expect([second! - first!, third! - second!]).to.deep.equal([500, 1000]);
    });

    it("are not there, with nothing of theirs, when one of them is refused", async () => {
      const counted = () => database.sql<{ jobs: number; datasets: number; hids: number }[]>`
        select (select count(*)::int from job) as jobs, (select count(*)::int from dataset) as datasets,
          (select hid_counter from history where id = ${historyId}) as hids`;
      const [before] = await counted();
      const good = job({ outputs: [{ name: "out", label: "out", extension: "txt" }] });
      for (const bad of [
        job({ historyId: historyId + 1_000_000 }),
        job({ inputs: [{ name: "x", id: 1_000_000 }] }),
        job({ priority: 0 }),
        job({ outputs: [{ name: "out", label: "out", extension: "not an extension" }] }),
      ])
        expect(await insertJobs(database.sql, [good, bad]).catch((error: unknown) => error)).to.be.an(
          "error",
        );
      expect(await counted()).to.deep.equal([before]);
    });
  });
}
