import { expect } from "chai";
import { explainJob, HandlerAssignmentError } from "@galaxy-jobs/handler";
import type { AssignmentMethodName } from "@galaxy-jobs/runtime";
import { findJob } from "@galaxy-jobs/shared-db";
import { makeSite, type HandlerPlan, type Site } from "../support/site.ts";

const tools = [{ id: "plain" }, { id: "tagged" }, { id: "bound" }, { id: "nowhere" }];

/** One case of the suite for each method: who may run a job of each tool; undefined: it cannot be assigned. */
interface Case {
  readonly method: AssignmentMethodName;
  readonly handlers: readonly HandlerPlan[];
  readonly plain: readonly string[];
  readonly tagged: readonly string[];
  readonly bound: readonly string[];
  /** "waits": accepted, and nobody comes. */
  readonly nowhere: readonly string[] | "refused" | "waits";
}

const dynamic: readonly HandlerPlan[] = [
  { name: "handler0", pools: ["job-handlers"] },
  { name: "handler1", pools: ["job-handlers", "job-handlers.special"] },
  { name: "handler2", pools: ["job-handlers.special"] },
  { name: "handler3", tags: ["nodefault"] },
];
const fixed: readonly HandlerPlan[] = [
  { name: "handler0", tags: [] },
  { name: "handler1", tags: ["_default_", "special"] },
  { name: "handler2", tags: ["special"] },
  { name: "handler3", tags: ["nodefault"] },
];
const mules: readonly HandlerPlan[] = [
  { name: "handler0", pools: ["job-handlers"], farms: ["job-handlers"] },
  { name: "handler1", pools: ["job-handlers"], farms: ["job-handlers"] },
  { name: "handler2", pools: ["job-handlers.special"], farms: ["job-handlers.special"] },
  { name: "handler3", tags: ["nodefault"], farms: [] },
];
const shared = { plain: ["handler0", "handler1"], tagged: ["handler1", "handler2"], bound: ["handler3"] };

const cases: readonly Case[] = [
  { method: "db-skip-locked", handlers: dynamic, ...shared, nowhere: "waits" },
  { method: "db-transaction-isolation", handlers: dynamic, ...shared, nowhere: "waits" },
  { method: "db-preassign", handlers: fixed, ...shared, nowhere: "refused" },
  { method: "mule-message", handlers: mules, ...shared, tagged: ["handler2"], nowhere: "refused" },
  { method: "db-self", handlers: fixed, ...shared, plain: ["main"], nowhere: "refused" },
  {
    method: "mem-self",
    handlers: [],
    plain: ["main"],
    tagged: ["main"],
    bound: ["main"],
    nowhere: ["main"],
  },
];

for (const { method, handlers, plain, tagged, bound, nowhere } of cases) {
  describe(`the assignment method ${method}`, function () {
    this.timeout(60_000);
    let site: Site;
    before(async () => {
      const processes = Object.fromEntries(
        handlers.flatMap(({ name, tags }) => (tags === undefined ? [] : [[name, { tags }]])),
      );
      site = await makeSite({
        handlers,
        tools,
        jobConf: {
          runners: { local: { load: "local", workers: 3 } },
          handling: { assign: [method], processes },
          execution: { default: "local", environments: { local: { runner: "local" } } },
          tools: [
            { id: "tagged", handler: "special" },
            { id: "bound", handler: "handler3" },
            { id: "nowhere", handler: "no_such_tag" },
          ],
        },
      });
      await Promise.all(handlers.map(({ name }) => site.start(name)));
    });
    after(() => site?.stop());

    const submitMany = async (toolId: string, count: number) => {
      const ids: number[] = [];
      for (let index = 0; index < count; index += 1) ids.push(await site.submit(toolId));
      return ids;
    };

    for (const [what, toolId, allowed] of [
      ["untagged jobs to the default handlers", "plain", plain],
      ["jobs of a tagged tool to the handlers of the tag", "tagged", tagged],
      ["jobs of a tool that is bound to a handler to that handler", "bound", bound],
    ] as const) {
      it(`gives ${what}, each once`, async () => {
        const ids = await submitMany(toolId, 12);
        const jobs = await site.ended(ids);
        expect(jobs.map(({ state, info }) => info ?? state)).to.deep.equal(ids.map(() => "ok"));
        expect([...allowed]).to.include.members([...new Set(jobs.map(({ handler }) => handler))]);
        const runs = (await site.runs()).filter((id) => ids.includes(id));
        expect(runs.toSorted((a, b) => a - b)).to.deep.equal(ids);
      });
    }

    if (nowhere === "refused") {
      it("refuses a job of a tag that nobody serves, and says so", async () => {
        const error = await site.submit("nowhere").then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).to.be.instanceOf(HandlerAssignmentError);
        expect(String(error)).to.match(/Job handler assignment failed.*nowhere.*no_such_tag/);
      });
    } else if (nowhere === "waits") {
      it("keeps a job of a tag that nobody serves, and says why it waits", async () => {
        const id = await site.submit("nowhere");
        const job = (await findJob(site.database.sql, id))!;
        expect(await explainJob(site.database.sql, site.config, job)).to.deep.equal({
          code: "no-pool",
          reason: "pool job-handlers.no_such_tag has never had a handler",
        });
      });
    } else {
      it("ignores what tools are mapped to, and says so once", async () => {
        await site.ended([await site.submit("nowhere"), await site.submit("nowhere")]);
        expect(site.warnings.filter((warning) => warning.includes("no_such_tag"))).to.have.length(1);
      });
    }

    if (handlers.length > 0 && method !== "db-self") {
      it("goes on with the handlers that are left when one is killed, and with one that comes back", async () => {
        await site.end("handler0", "SIGKILL");
        if (method === "db-preassign") {
          // Its death shows in the table when its successor or the end of its lease says so.
          await site.database
            .sql`update handler_incarnation set end_time = now(), end_reason = 'lost' where server_name = 'handler0' and end_time is null`;
        }
        const without = await site.ended(await submitMany("plain", 6));
        expect([...new Set(without.map(({ handler }) => handler))]).to.deep.equal(["handler1"]);
        await site.start("handler0");
        const again = await site.ended(await submitMany("plain", 24));
        expect(again.every(({ state }) => state === "ok")).to.equal(true);
        expect(["handler0", "handler1"]).to.include.members([
          ...new Set(again.map(({ handler }) => handler)),
        ]);
      });
    }

    if (method === "mule-message") {
      it("offers a job whose message was lost to the handlers of its tag", async () => {
        const id = await site.submit("tagged", { committed: false });
        const [job] = await site.ended([id]);
        expect(job).to.include({ state: "ok", handler: "handler2" });
      });
    }
  });
}
