import { expect } from "chai";
import { must, startSharedGalaxy, submit, type SharedGalaxy } from "../support/api-client.ts";

interface Listed {
  readonly id: string;
  readonly tool_id: string;
  readonly state: string;
}

describe("the list of jobs", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  let other: string;
  const jobs: string[] = [];
  before(async () => {
    shared = await startSharedGalaxy({ handlers: [] });
    other = (await must(shared.alice("/api/histories", { body: { name: "other" } }))).id;
    for (let index = 0; index < 3; index += 1)
      jobs.push((await submit(shared.alice, "sleep", { seconds: index })).job);
    jobs.push((await submit(shared.alice, "fail_with_code", { code: 1, message: "x" })).job);
    const body = { tool_id: "fail_with_code", history_id: other, inputs: { code: 2, message: "y" } };
    jobs.push((await must(shared.alice("/api/tools", { body }))).jobs[0].id);
    await must(shared.alice(`/api/jobs/${jobs[0]}`, { method: "DELETE" }));
    const { sql } = shared.galaxy.database;
    await sql`update job set handler = 'handler7', job_runner_name = 'slurm_100%', update_time = now() - interval '3 days'
      where id = (select min(id) + 1 from job)`;
    await submit(shared.bob, "sleep", { seconds: 0 });
  });
  after(() => shared?.galaxy.stop());

  const ids = (list: readonly Listed[]) => list.map(({ id }) => id);
  const list = async (query: string, client = shared.alice): Promise<string[]> =>
    ids(await must(client(`/api/jobs?${query}`)));
  const day = 86_400_000;
  const date = (offset: number) => new Date(Date.now() + offset * day).toISOString().slice(0, 10);

  it("has one's own jobs, newest first", async () => {
    expect(await list("order_by=create_time")).to.deep.equal(jobs.toReversed());
    // The one that was changed last, then the others; the one with the old time last.
    const changed = await list("");
    expect(changed[0]).to.equal(jobs[0]);
    expect(changed.at(-1)).to.equal(jobs[1]);
  });

  it("is cut to pages that fit together", async () => {
    const pages = [];
    for (let offset = 0; offset < 6; offset += 2)
      pages.push(...(await list(`order_by=create_time&limit=2&offset=${offset}`)));
    expect(pages).to.deep.equal(jobs.toReversed());
    expect(await list("limit=0")).to.deep.equal([]);
    expect(await list("offset=100")).to.deep.equal([]);
  });

  it("is filtered by state, tool and history, one or several", async () => {
    expect(await list("state=deleted")).to.deep.equal([jobs[0]]);
    expect(await list("state=new&state=deleted")).to.have.length(5);
    // States of Galaxy that no job has here.
    for (const state of ["failed", "upload", "skipped", "stop"])
      expect(await list(`state=${state}`)).to.deep.equal([]);
    expect(await list("tool_id=sleep")).to.have.length(3);
    expect(await list("tool_id=sleep&tool_id=fail_with_code")).to.have.length(5);
    expect(await list("tool_id=slee")).to.deep.equal([]);
    expect(await list("tool_id_like=sl%25")).to.have.length(3);
    expect(await list(`history_id=${other}`)).to.deep.equal([jobs[4]]);
    expect(await list(`history_id=${other}&state=deleted`)).to.deep.equal([]);
  });

  it("is filtered by the time of the last change, in UTC", async () => {
    expect(await list(`date_range_max=${date(-1)}`)).to.deep.equal([jobs[1]]);
    expect(await list(`date_range_min=${date(1)}`)).to.deep.equal([]);
    expect(await list(`date_range_min=${date(-4)}`)).to.have.length(5);
    const { update_time } = await must(shared.alice(`/api/jobs/${jobs[1]}`));
    // As Python writes it: microseconds, no zone.
    const from = new Date(new Date(`${update_time}Z`).getTime() - 1000).toISOString().replace("Z", "000");
    const to = new Date(new Date(`${update_time}Z`).getTime() + 1000).toISOString().replace("Z", "");
    expect(await list(`date_range_min=${from}&date_range_max=${to}`)).to.deep.equal([jobs[1]]);
    expect(await list(`date_range_max=${encodeURIComponent(from.replace("T", " "))}`)).to.deep.equal([]);
  });

  it("is searched in Galaxy's words", async () => {
    const search = (words: string, client = shared.alice) =>
      list(`search=${encodeURIComponent(words)}`, client);
    expect(await search("fail")).to.have.length(2);
    expect(await search("FAIL code")).to.have.length(2);
    expect(await search("tool:'sleep'")).to.have.length(3);
    expect(await search('tool:"slee"')).to.deep.equal([]);
    expect(await search("tool:slee")).to.have.length(3);
    expect(await search("handler:'handler7'")).to.deep.equal([jobs[1]]);
    expect(await search("runner:'slurm_100%' sleep")).to.deep.equal([jobs[1]]);
    expect(await search("runner:'slurm_100%' fail")).to.deep.equal([]);
    // What means something in a pattern means itself here.
    expect(await search("runner:m_1")).to.deep.equal([jobs[1]]);
    expect(await search("runner:0%")).to.deep.equal([jobs[1]]);
    expect(await search("runner:%_%")).to.deep.equal([]);
    expect(await search("tool:'x' or '1'='1'")).to.deep.equal([]);
  });

  it("is searched by user, and is everybody's, for administrators only", async () => {
    const refused = [
      "view=admin_job_list",
      "user_details=true",
      `user_id=${shared.ids.bob}`,
      "search=user:'x'",
    ];
    for (const query of refused) {
      const { status, body } = await shared.alice(`/api/jobs?${query}`);
      expect({ status, code: body.err_code }, query).to.deep.equal({ status: 403, code: 403_006 });
    }
    expect(await list(`user_id=${shared.ids.alice}`)).to.have.length(5);
    const everybody = "view=admin_job_list";
    expect(await list(everybody, shared.admin)).to.have.length(6);
    expect(await list("", shared.admin)).to.deep.equal([]);
    expect(await list(`user_id=${shared.ids.bob}`, shared.admin)).to.have.length(1);
    expect(await list(`${everybody}&search=user:'bob@example.org'`, shared.admin)).to.have.length(1);
    expect(await list(`${everybody}&search=user:ALICE`, shared.admin)).to.have.length(5);
  });

  it("tells administrators who and where", async () => {
    const [listed] = await must(shared.admin("/api/jobs?view=admin_job_list&search=handler:'handler7'"));
    expect(listed).to.include({
      user_email: "alice@example.org",
      user_id: shared.ids.alice,
      handler: "handler7",
      job_runner_name: "slurm_100%",
      session_id: null,
      remote_host: null,
    });
    const [detailed] = await must(shared.admin(`/api/jobs?user_id=${shared.ids.bob}&user_details=True`));
    expect(detailed).to.include({ user_email: "bob@example.org" });
    const [plain] = await must(shared.alice("/api/jobs"));
    expect(plain).to.not.have.any.keys("user_email", "handler", "session_id");
  });
});
