import { expect } from "chai";
import {
  must,
  paste,
  startSharedGalaxy,
  submit,
  type ApiClient,
  type SharedGalaxy,
} from "../support/api-client.ts";
import { until } from "../support/until.ts";

describe("what belongs to somebody", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  let alice: ApiClient;
  let bob: ApiClient;
  let admin: ApiClient;
  let dataset: string;
  let history: string;
  let ended: { job: string; outputs: string[] };
  let paused: { job: string; outputs: string[] };
  let running: { job: string; outputs: string[] };

  before(async () => {
    shared = await startSharedGalaxy();
    ({ alice, bob, admin } = shared);
    dataset = await paste(alice, "mine\n");
    history = (await must(alice("/api/histories", { body: { name: "alice's" } }))).id;
    ended = await submit(alice, "fail_with_code", { code: 1, message: "secret" });
    await jobIs(ended.job, "error");
    paused = await submit(alice, "cat1", { input1: { src: "hda", id: ended.outputs[0]! }, queries: [] });
    await jobIs(paused.job, "paused");
    running = await submit(alice, "sleep", { seconds: 600 });
    await jobIs(running.job, "running");
  });
  after(() => shared?.galaxy.stop());

  const jobIs = (id: string, state: string) =>
    until(async () => (await must(alice(`/api/jobs/${id}`))).state === state, {
      what: `job ${id} to be ${state}`,
      deadline: 30_000,
    });

  const reads = () => [
    ...[
      "",
      "?full=true",
      "/inputs",
      "/outputs",
      "/stdout",
      "/stderr",
      "/console_output",
      "/metrics",
      "/why",
    ].map((part) => `/api/jobs/${ended.job}${part}`),
    `/api/jobs/${ended.job}/parameters_display`,
    `/api/jobs/${ended.job}/common_problems`,
    `/api/jobs/${ended.job}/build_for_rerun`,
    `/api/datasets/${dataset}`,
    `/api/datasets/${dataset}/display`,
    `/api/histories/${history}`,
    `/api/histories/${history}/contents`,
  ];

  it("is read by its owner and by administrators, also with the bootstrap key", async () => {
    for (const path of reads())
      for (const client of [alice, admin, shared.bootstrap])
        expect((await client(path)).status, path).to.equal(200);
  });

  it("is refused to another user, with 403 and no word of what it is", async () => {
    for (const path of reads()) {
      const { status, body, text } = await bob(path);
      expect({ status, code: body.err_code }, path).to.deep.equal({ status: 403, code: 403_002 });
      expect(text).to.not.match(/secret|mine|fail_with_code/);
    }
  });

  it("is refused without a key, with 403 and the way to give one", async () => {
    for (const path of [...reads(), "/api/jobs", "/api/datasets", "/api/histories", "/api/events"]) {
      const { status, body } = await shared.nobody(path);
      expect({ status, code: body.err_code }, path).to.deep.equal({ status: 403, code: 403_001 });
      expect(body.err_msg).to.contain("x-api-key");
    }
  });

  it("is not changed by another user", async () => {
    const asked: [string, object][] = [
      [`/api/jobs/${running.job}`, { method: "DELETE" }],
      [`/api/jobs/${paused.job}/resume`, { method: "PUT" }],
      [`/api/jobs/${ended.job}/error`, { body: { dataset_id: dataset } }],
      [`/api/datasets/${dataset}?purge=true`, { method: "DELETE" }],
      [`/api/users/${shared.ids.alice}/api_key`, { method: "POST" }],
      [`/api/users/${shared.ids.alice}/api_key`, { method: "DELETE" }],
    ];
    for (const [path, how] of asked) expect((await bob(path, how)).status, path).to.equal(403);
    expect((await must(alice(`/api/jobs/${running.job}`))).state).to.equal("running");
    expect((await must(alice(`/api/jobs/${paused.job}`))).state).to.equal("paused");
    expect((await must(alice(`/api/datasets/${dataset}`))).deleted).to.equal(false);
  });

  it("is no input, and no place for outputs, of another user's job", async () => {
    const run = (history_id: string | undefined, id: string) => ({
      body: { tool_id: "cat1", history_id, inputs: { input1: { src: "hda", id }, queries: [] } },
    });
    const own = await paste(bob, "bob's\n");
    expect((await bob("/api/tools", run(undefined, dataset))).status).to.equal(403);
    expect((await bob("/api/tools", run(history, own))).status).to.equal(403);
    const upload = { tool_id: "upload1", history_id: history, inputs: { "files_0|url_paste": "x" } };
    expect((await bob("/api/tools", { body: upload })).status).to.equal(403);
  });

  it("is in nobody else's lists", async () => {
    for (const path of ["/api/jobs", "/api/datasets", "/api/histories"]) {
      expect(JSON.stringify(await must(alice(path)))).to.match(/[0-9a-f]{32}/);
      const listed = JSON.stringify(await must(bob(path)));
      for (const id of [ended.job, running.job, dataset, history]) expect(listed).to.not.contain(id);
    }
    expect(await must(bob(`/api/jobs?history_id=${history}`))).to.deep.equal([]);
    const same = { tool_id: "fail_with_code", inputs: { code: 1, message: "secret" }, state: "error" };
    expect(await must(bob("/api/jobs/search", { body: same }))).to.deep.equal([]);
    expect(await must(alice("/api/jobs/search", { body: same }))).to.have.length(1);
  });

  it("shows administrators what others do not see of it", async () => {
    const mine = await must(alice(`/api/jobs/${ended.job}`));
    const theirs = await must(admin(`/api/jobs/${ended.job}`));
    expect(mine).to.not.have.any.keys("external_id", "handler", "traceback", "command_line");
    expect(theirs).to.include.keys("external_id", "handler", "traceback", "command_line");
    expect((await alice(`/api/jobs/${ended.job}/destination_params`)).body.err_code).to.equal(403_006);
    const params = await must(admin(`/api/jobs/${ended.job}/destination_params`));
    expect(params).to.include({ Runner: "local", Handler: "handler0" });
  });

  it("keeps what only administrators may do from the others", async () => {
    const asked: [string, object?][] = [
      ["/api/handlers"],
      ["/api/pools"],
      ["/api/job_lock"],
      ["/api/job_lock", { method: "PUT", body: { active: true } }],
      ["/api/users"],
      ["/api/users", { body: { email: "eve@example.org", username: "eve" } }],
      [`/api/users/${shared.ids.bob}`],
    ];
    for (const [path, how] of asked) {
      const { status, body } = await alice(path, how);
      expect(status, path).to.equal(403);
      expect([403_006, 403_002]).to.include(body.err_code);
    }
    expect(await must(admin("/api/job_lock"))).to.deep.equal({ active: false });
  });

  it("is ended and resumed by its owner or an administrator, who may say why", async () => {
    expect(
      (await alice(`/api/jobs/${running.job}`, { method: "DELETE", body: { message: "no" } })).status,
    ).to.equal(403);
    const gone = { method: "DELETE", body: { message: "maintenance tonight" } };
    expect(await must(admin(`/api/jobs/${running.job}`, gone))).to.equal(true);
    await jobIs(running.job, "deleted");
    expect((await must(alice(`/api/jobs/${running.job}`))).info).to.equal("maintenance tonight");
    const resumed = await must(alice(`/api/jobs/${paused.job}/resume`, { method: "PUT" }));
    expect(resumed).to.deep.equal([{ name: "out_file1", dataset: { src: "hda", id: paused.outputs[0] } }]);
    // Its input has failed still.
    await jobIs(paused.job, "paused");
    const again = await alice(`/api/jobs/${ended.job}/resume`, { method: "PUT" });
    expect(again.status).to.equal(409);
  });
});
