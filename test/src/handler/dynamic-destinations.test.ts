import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { explainJob, explainRoute } from "@galaxy-jobs/handler";
import { findUserByEmail, type JobRow } from "@galaxy-jobs/shared-db";
import { makeSite, type Site } from "../support/site.ts";
import { until } from "../support/until.ts";

const ann = "ann@example.org";
const bob = "bob@example.org";

const rules = {
  "site.ts": `
    import { existsSync } from "node:fs";
    interface Params { readonly flag: string }
    export function when_there(flag: Params["flag"]): string {
      if (!existsSync(flag)) throw new JobNotReady("waits for " + flag);
      console.log("there it is");
      return "small";
    }
    export const hang = () => { for (;;); };
    export const boom = () => { throw new Error("boom"); };
    export const refuse = (user_email: string) => { throw new JobMappingException(user_email + " may not"); };
    export const onward = () => "by_user";
    export const around = () => "around";
    export const made = () => ({ runner: "local", params: { local_slots: 5 }, env: [{ name: "MADE", value: "by a rule" }] });
  `,
};

const script = (name: string, more: Record<string, unknown> = {}) => ({
  runner: "dynamic",
  type: "javascript",
  function: name,
  ...more,
});

describe("Dynamic destinations in real handlers", function () {
  this.timeout(120_000);
  let site: Site;
  let flag: string;

  before(async () => {
    const environments = (folder: string) => ({
      small: { runner: "local" },
      big: { runner: "local" },
      over: {
        runner: "dynamic",
        type: "burst",
        from_destination_ids: "small",
        to_destination_id: "big",
        num_jobs: 2,
      },
      by_user: { runner: "dynamic", type: "choose_one", destination_ids: "small,big", hash_by: "user" },
      when_there: script("when_there", { flag: join(folder, "flag") }),
      hang: script("hang", { rule_timeout: 1 }),
      boom: script("boom"),
      refuse: script("refuse"),
      onward: script("onward"),
      around: script("around"),
      made: script("made"),
    });
    flag = join("/tmp", `galaxy-test-flag-${process.pid}`, "flag");
    const mapped = ["over", "by_user", "when_there", "hang", "boom", "refuse", "onward", "around", "made"];
    site = await makeSite({
      handlers: [{ name: "handler0", pools: ["job-handlers"] }],
      tools: [
        { id: "plain" },
        ...mapped.map((id) =>
          id === "over" || id === "made"
            ? { id, gated: true }
            : { id, command: `echo "$GALAXY_SLOTS $MADE"` },
        ),
      ],
      rules,
      jobConf: {
        runners: { local: { load: "local", workers: 8 } },
        handling: { assign: ["db-skip-locked"] },
        execution: { default: "small", environments: environments(join(flag, "..")) },
        tools: mapped.map((id) => ({ id, environment: id })),
      },
    });
    await site.start("handler0");
  });
  after(async () => {
    await site.stop();
    await rm(join(flag, ".."), { recursive: true, force: true });
  });

  const row = async (id: number): Promise<JobRow> => {
    const [job] = await site.database.sql<JobRow[]>`select * from job where id = ${id}`;
    return job!;
  };
  const why = async (id: number) => (await explainJob(site.database.sql, site.config, await row(id))).reason;

  it("choose_one sends all jobs of a user to one place", async () => {
    const ids: number[] = [];
    for (const user of [ann, bob, ann, bob, ann]) ids.push(await site.submit("by_user", { user }));
    const jobs = await site.ended(ids);
    const expected = await Promise.all(
      [ann, bob, ann, bob, ann].map(async (email) => {
        const { id } = (await findUserByEmail(site.database.sql, email))!;
        return id % 2 === 0 ? "small" : "big";
      }),
    );
    expect(new Set(expected).size).to.equal(2);
    expect(jobs.map(({ destinationId }) => destinationId)).to.deep.equal(expected);
  });

  it("a rule that is not ready keeps its job new, says why, and is asked again", async () => {
    const id = await site.submit("when_there");
    await until(async () => (await why(id)).includes("waits for "), { what: "the reason", deadline: 30_000 });
    expect((await row(id)).state).to.equal("new");
    await mkdir(join(flag, ".."), { recursive: true });
    await writeFile(flag, "");
    const [job] = await site.ended([id]);
    expect([job!.state, job!.destinationId]).to.deep.equal(["ok", "small"]);
    expect(job!.destinationReason).to.equal("the rule when_there of destination when_there says small");
  });

  it("a rule that fails, refuses or leads nowhere fails its job with the reason", async () => {
    const ids: number[] = [];
    for (const tool of ["boom", "refuse", "around"]) ids.push(await site.submit(tool, { user: ann }));
    const [boom, refuse, around] = await site.ended(ids);
    expect(boom!.info).to.equal(
      "Encountered an unhandled exception while caching job destination dynamic rule.",
    );
    expect(boom!.traceback).to.match(/Error: boom\n.*site\.ts/);
    expect(refuse!.info).to.equal(`${ann} may not`);
    expect(around!.info).to.contain("lead nowhere: around → around");
    expect([boom, refuse, around].map((job) => job!.state)).to.deep.equal(["error", "error", "error"]);
  });

  it("a chain of rules is followed to its end, and each step is told", async () => {
    const [job] = await site.ended([await site.submit("onward", { user: ann })]);
    expect(job!.destinationReason).to.match(
      /^the rule onward of destination onward says by_user; then one of small, big by its user$/,
    );
  });

  it("rules that hang fail their jobs and hold up no others, though there are more of them than workers", async () => {
    const hanging: number[] = [];
    for (let number = 0; number < 9; number += 1) hanging.push(await site.submit("hang"));
    const others: number[] = [];
    for (let number = 0; number < 5; number += 1) others.push(await site.submit("plain"));
    const jobs = await site.ended(others);
    expect(jobs.map(({ state }) => state)).to.deep.equal(others.map(() => "ok"));
    const stillThere = await site.database
      .sql`select from job where id = any(${site.database.sql.array(hanging, 20)}) and state = 'new'`;
    expect(stillThere.length).to.be.greaterThan(0);
    const ended = await site.ended(hanging, 90_000);
    for (const { state, info } of ended)
      expect([state, info]).to.deep.equal([
        "error",
        "The rule hang of destination hang did not answer within 1 seconds.",
      ]);
  });

  it("config route tells what a rule would decide", async () => {
    const route = async (tool: string) => {
      const user = (await findUserByEmail(site.database.sql, ann))!;
      const steps = await explainRoute(site.database.sql, site.config, {
        tool: { id: tool, version: "1.0" },
        userId: user.id,
      });
      return steps.filter(({ step }) => step === "rule");
    };
    const [chosen] = await route("by_user");
    expect(chosen!.words).to.match(
      /^would go to (small|big) \(runner local\): one of small, big by its user$/,
    );
    const [refused] = await route("refuse");
    expect(refused).to.deep.include({ words: `the job would fail: ${ann} may not`, trouble: true });
    const [over] = await route("over");
    expect(over!.words).to.equal(
      "would go to small (runner local): small has 0 queued or running of 2 before jobs go to big",
    );
  });

  it("a burst overflows while its first destination is full, and not before", async () => {
    const ids: number[] = [];
    for (let number = 0; number < 6; number += 1) ids.push(await site.submit("over"));
    const made = await site.submit("made");
    const running = await until(
      async () => {
        const rows = await site.database.sql<JobRow[]>`
          select * from job where id = any(${site.database.sql.array(ids, 20)}) and state = 'running' order by id`;
        return rows.length === ids.length ? rows : undefined;
      },
      { what: "all to run", deadline: 30_000 },
    );
    expect(running.map(({ destinationId }) => destinationId)).to.have.members([
      "small",
      "small",
      "big",
      "big",
      "big",
      "big",
    ]);
    const bursting = running.find(({ destinationId }) => destinationId === "big")!;
    expect(await why(bursting.id)).to.contain(
      "(burst: small has 2 queued or running of 2 before jobs go to big)",
    );
    // A destination that only a rule knows is found again by the next process of the handler.
    await until(async () => (await row(made)).state === "running", {
      what: "the made one",
      deadline: 20_000,
    });
    await site.end("handler0", "SIGKILL");
    await site.start("handler0");
    await site.openGate();
    const [job] = await site.ended([made]);
    expect([job!.state, job!.destinationId, job!.destinationParams]).to.deep.equal([
      "ok",
      "made",
      { local_slots: 5 },
    ]);
    await site.ended(ids);
  });
});

describe("Handlers that load some runners only", function () {
  this.timeout(60_000);
  let site: Site;

  before(async () => {
    site = await makeSite({
      handlers: [{ name: "few" }, { name: "all" }],
      tools: [{ id: "plain" }, { id: "other" }, { id: "bound" }],
      jobConf: {
        runners: { local: { load: "local" }, second: { load: "local" } },
        handling: {
          assign: ["db-skip-locked"],
          processes: { few: { tags: "pool", plugins: ["local"] }, all: { tags: "pool" } },
          default: "pool",
        },
        execution: {
          default: "here",
          environments: { here: { runner: "local" }, there: { runner: "second" } },
        },
        tools: [
          { id: "other", environment: "there" },
          { id: "bound", environment: "there", handler: "few" },
        ],
      },
    });
    await site.start("few");
  });
  after(() => site.stop());

  it("keep a job that they cannot run, and say so, until another handler of the pool can", async () => {
    const other = await site.submit("other");
    const row = async () => (await site.database.sql<JobRow[]>`select * from job where id = ${other}`)[0]!;
    await until(async () => (await row()).waitReason !== null, { what: "the reason", deadline: 20_000 });
    expect((await row()).waitReason).to.equal(
      "no live handler of job-handlers.pool loads the runner second of destination there",
    );
    const [plain] = await site.ended([await site.submit("plain")]);
    expect([plain!.state, plain!.handler]).to.deep.equal(["ok", "few"]);
    await site.start("all");
    const [job] = await site.ended([other]);
    expect([job!.state, job!.handler]).to.deep.equal(["ok", "all"]);
  });

  it("give it back where another one has the runner", async () => {
    const ids: number[] = [];
    for (let number = 0; number < 10; number += 1) ids.push(await site.submit("other"));
    const jobs = await site.ended(ids);
    for (const { state, handler } of jobs) expect([state, handler]).to.deep.equal(["ok", "all"]);
  });

  it("fail a job that is theirs alone, and say why", async () => {
    const [job] = await site.ended([await site.submit("bound")]);
    expect(job!.state).to.equal("error");
    expect(job!.info).to.contain(
      "assigned to handler few, which does not load the runner second of destination there",
    );
  });
});
