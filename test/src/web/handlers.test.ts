import { expect } from "chai";
import { must, startSharedGalaxy, submit, type SharedGalaxy } from "../support/api-client.ts";
import { until } from "../support/until.ts";

describe("handlers and what is done with them, by the API", function () {
  this.timeout(60_000);
  let shared: SharedGalaxy;
  before(async () => {
    shared = await startSharedGalaxy({ handlers: ["handler0", "handler1"], workers: 1 });
  });
  after(() => shared?.galaxy.stop());

  const calls = [
    ["GET", "/api/handlers"],
    ["GET", "/api/handlers/handler0"],
    ["PUT", "/api/handlers/handler0/drain"],
    ["PUT", "/api/handlers/handler0/resume"],
    ["POST", "/api/handlers/handler0/reassign"],
    ["DELETE", "/api/handlers/handler0"],
    ["GET", "/api/pools"],
    ["GET", "/api/admin/jobs"],
    ["GET", "/api/admin/maintenance_runs"],
    ["GET", "/api/admin/actions"],
  ] as const;

  for (const [method, path] of calls)
    it(`are for administrators: ${method} ${path}`, async () => {
      const body = method === "POST" ? { to_pool: "job-handlers" } : undefined;
      for (const client of [shared.alice, shared.nobody]) {
        const { status } = await client(path, { method, ...(body === undefined ? {} : { body }) });
        expect(status).to.equal(403);
      }
    });

  it("drain, reassign and resume, with the numbers and who it was", async () => {
    const { admin, alice } = shared;
    const { job } = await submit(alice, "sleep", { seconds: 600 });
    const running = await until(
      async () => {
        const found = await must(admin(`/api/jobs/${job}`));
        return found.state === "running" ? found : undefined;
      },
      { what: "the job to run", deadline: 30_000 },
    );
    const name = running.handler as string;
    const drained = await must(admin(`/api/handlers/${name}/drain`, { method: "PUT" }));
    expect(drained).to.include({ changed: true, drained_by: "admin@example.org", given_back: 0 });
    expect(await must(admin(`/api/handlers/${name}/drain`, { method: "PUT" }))).to.include({
      changed: false,
    });
    const shown = await must(admin(`/api/handlers/${name}`));
    expect(shown.drained.by).to.equal("admin@example.org");
    expect(shown.remaining).to.have.length(1);
    expect(shown.remaining[0]).to.include({
      id: job,
      tool_id: "sleep",
      held: true,
      user_email: "alice@example.org",
    });
    expect(shown.estimate).to.deep.equal({ empty_in: null, unknown: 1, stuck: 0 });
    const [pool] = await must(admin("/api/pools"));
    expect(pool).to.include({ tag: "_default_" });
    expect(pool.drained).to.deep.equal([name]);

    const other = name === "handler0" ? "handler1" : "handler0";
    const reassign = (body: object) => admin(`/api/handlers/${name}/reassign`, { body });
    expect(await must(reassign({ to: other, started: true }))).to.include({
      to: other,
      moved: 0,
      offered: 1,
    });
    await until(async () => (await must(admin(`/api/jobs/${job}`))).handler === other, {
      what: "the other handler to have it",
      deadline: 20_000,
    });
    await must(admin(`/api/handlers/${name}/resume`, { method: "PUT" }));
    const again = await admin(`/api/handlers/${name}/resume`, { method: "PUT" });
    expect([again.status, again.body.err_msg]).to.deep.equal([409, `handler ${name} is not drained`]);

    const mine = await must(admin("/api/admin/jobs?user_email=alice@example.org&state=running"));
    expect(mine.map(({ id }: { id: string }) => id)).to.deep.equal([job]);
    expect(await must(admin("/api/admin/jobs?user_email=nobody@example.org"))).to.deep.equal([]);
    await must(admin(`/api/jobs/${job}`, { method: "DELETE" }));
    const acts = await must(admin("/api/admin/actions?limit=4"));
    expect(acts.map(({ action, actor }: Record<string, string>) => `${action} ${actor}`)).to.deep.equal([
      "cancel admin@example.org",
      "resume admin@example.org",
      "reassign admin@example.org",
      "drain admin@example.org",
    ]);
  });

  it("say what is wrong, and do nothing then", async () => {
    const { admin } = shared;
    const answer = async (path: string, method: string, body?: unknown) => {
      const { status, body: said } = await admin(path, { method, ...(body === undefined ? {} : { body }) });
      return `${status} ${said.err_msg}`;
    };
    expect(await answer("/api/handlers/handlr0", "GET")).to.equal(
      "404 there is no handler handlr0; did you mean handler0?",
    );
    expect(await answer("/api/handlers/_default_/drain", "PUT")).to.equal(
      "404 _default_ is a tag (pool job-handlers), not a handler",
    );
    expect(await answer("/api/handlers/handler0/reassign", "POST", {})).to.match(
      /^400 say who gets the jobs/,
    );
    expect(
      await answer("/api/handlers/handler0/reassign", "POST", { to_pool: "job-handlers.none" }),
    ).to.match(
      /^409 pool job-handlers\.none has no live handler: the jobs would wait; pools that are served: job-handlers$/,
    );
    expect(await answer("/api/handlers/handler0", "DELETE")).to.match(
      /^409 handler handler0 cannot be removed: it is live .*First: galaxyctl handlers drain handler0 --wait; then stop its process$/,
    );
    expect(await answer("/api/admin/jobs?state=nonsense", "GET")).to.match(/^400 state/);
  });

  it("remove one that has ended", async () => {
    const { admin, galaxy } = shared;
    const short = await galaxy.startHandler("short-lived", ["job-handlers.special"]);
    await short.line(/maintenance|job\.registered/);
    await must(admin("/api/handlers/short-lived/drain", { method: "PUT" }));
    await short.stop();
    const all = await must(admin("/api/handlers?all=true"));
    const ended = all.find((one: { server_name: string }) => one.server_name === "short-lived");
    expect(ended).to.include({ live: false, end_reason: "stopped" });
    expect(await must(admin("/api/handlers/short-lived", { method: "DELETE" }))).to.deep.equal({
      removed: true,
      notes: [],
    });
    expect((await admin("/api/handlers/short-lived")).status).to.equal(404);
  });
});
