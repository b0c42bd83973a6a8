import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { checkRules, DestinationMapper, type DestinationMapping } from "@galaxy-jobs/handler";
import { loadGalaxyConfig, ownIdentity } from "@galaxy-jobs/runtime";
import {
  claimJobsSkippingLocked,
  enqueueJobsIfClaimed,
  ensureDefaultHistory,
  ensureUser,
  insertJob,
  markJobRunningIfQueued,
  registerIncarnation,
} from "@galaxy-jobs/shared-db";
import { ConfigFolder } from "../config/job-config-files.ts";
import { withDatabase } from "../support/database.ts";
import { repository } from "../support/galaxy.ts";

const plain = { a: { runner: "local" }, b: { runner: "local" }, c: { runner: "local" } };
const rule = (params: Record<string, unknown>) => ({ runner: "dynamic", ...params });
const script = (name: string, params: Record<string, unknown> = {}) =>
  rule({ type: "javascript", function: name, ...params });

const modules = {
  "a_rules.js": `
    exports.overruled = () => "a";
    exports.only_here = () => "a";
    exports.asks = async (job_id, tool_id, user_email, size, job, referrer, resource_params) =>
      job_id > 0 && tool_id === "some-tool" && user_email === "ann@example.org" && size === "7" && job.params.n === 5 &&
      referrer.id === "asked" && resource_params.cores === "4" && !("__job_resource" in job.params) ? "a" : "b";
    exports.apart = ({ user, tool, workflow_invocation_uuid = "x" }) => user.email + tool.id + workflow_invocation_uuid ===
      "ann@example.orgsome-toolnull" ? "a" : "b";
    exports.not_required = (rule_helper, nonsense = "b") => nonsense;
    exports.unknown = (usr) => "a";
    exports.some_tool = () => "c";
    exports.nothing = () => undefined;
    exports.throws = () => { throw new Error("boom"); };
    exports.refuses = () => { throw new JobMappingException("Your input is too large."); };
    exports.not_ready = () => { throw new JobNotReady("the reference data are being copied"); };
    exports.not_ready_as_in_galaxy = () => { throw new JobNotReadyException("new", "wait for it"); };
    exports.hangs = () => { for (;;); };
    exports.never_answers = () => new Promise(() => {});
    exports.leaves = () => process.exit(3);
    exports.eats = () => { const all = []; for (;;) all.push(new Array(1e6).fill(all.length)); };
    exports.changes = (app) => {
      const it = app.job_config.get_destination("a");
      return { ...it, params: { ...it.params, native: "-n 4" }, env: [...it.env, { name: "X", value: 1 }] };
    };
    exports.makes = (referrer) => ({ runner: "local", params: { local_slots: 3 } });
    exports.makes_wrong = () => ({ runner: "local", slots: 3 });
    exports.makes_wrong_slots = () => ({ runner: "local", params: { local_slots: "many" } });
    exports.makes_dynamic = () => ({ runner: "dynamic", params: { type: "choose_one", destination_ids: "b" } });
    exports.around = () => "around";
    exports.onward = () => "chosen";
    exports.counts = async (rule_helper) => String(await rule_helper.job_count({ for_destinations: "a,b" })) === "2" &&
      (await rule_helper.job_count({ for_destination: "a", for_job_states: ["queued"], for_user_email: "bob@example.org" })) === 1 &&
      (await rule_helper.job_count({ for_user_email: "nobody@example.org" })) === 0 &&
      (await rule_helper.should_burst(["a", "b"], 2)) && !(await rule_helper.should_burst("a,b", 3)) ? "a" : "b";
    exports.counts_wrongly = (rule_helper) => rule_helper.job_count({ for_job_states: "ok" });
    exports.hashes = (rule_helper) => rule_helper.choose_one(["a", "b", "c"], 4);
  `,
  "b_rules.mjs": `export const overruled = () => "b"; export default { by_default: () => "c" };`,
  "c_typed.ts": `
    import { place } from "./place.ts";
    interface User { readonly email: string }
    export async function typed(user: User, { }: object = {}): Promise<string> { return user.email.startsWith("ann") ? place : "b"; }
  `,
  "place.ts": `export const place: string = "c";`,
  "broken.js": `export const x = ;`,
};

interface Case {
  readonly what: string;
  readonly environments: Record<string, unknown>;
  readonly to: string;
  readonly tools?: readonly unknown[];
  readonly expected:
    | { readonly go: readonly string[] }
    | { readonly wait: RegExp }
    | { readonly fail: RegExp };
  readonly traceback?: RegExp;
  readonly params?: Record<string, unknown>;
}

const inScript = (
  what: string,
  name: string,
  expected: Case["expected"],
  more: Partial<Case> = {},
): Case => ({
  what,
  environments: { asked: script(name, { size: "7" }) },
  to: "asked",
  expected,
  ...more,
});
const unhandled = /^Encountered an unhandled exception while caching job destination dynamic rule\.$/;
const misconfigured = /^Unable to run job due to a misconfiguration/;

const cases: readonly Case[] = [
  { what: "a destination by its id", environments: {}, to: "b", expected: { go: ["b"] } },
  {
    what: "a tag, any of its destinations",
    environments: { d: { runner: "local", tags: "two" }, e: { runner: "local", tags: ["two"] } },
    to: "two",
    expected: { go: ["d", "e"] },
  },
  {
    what: "a tag, of its destinations those that this handler can serve",
    environments: { d: { runner: "elsewhere", tags: "two" }, e: { runner: "local", tags: ["two"] } },
    to: "two",
    expected: { go: ["e"] },
  },
  {
    what: "choose_one without a hash",
    environments: { chosen: rule({ type: "choose_one", destination_ids: "a, b" }) },
    to: "chosen",
    expected: { go: ["a", "b"] },
  },
  {
    what: "choose_one by the user, whose id is 1",
    environments: { chosen: rule({ type: "choose_one", destination_ids: ["a", "b", "c"], hash_by: "user" }) },
    to: "chosen",
    expected: { go: ["b"] },
  },
  {
    what: "choose_one by a workflow invocation, else by the history, whose id is 1",
    environments: {
      chosen: rule({ type: "choose_one", destination_ids: "a,c", hash_by: "workflow_invocation,history" }),
    },
    to: "chosen",
    expected: { go: ["c"] },
  },
  {
    what: "burst with room for one more",
    environments: {
      over: rule({ type: "burst", from_destination_ids: "a,b", to_destination_id: "c", num_jobs: 3 }),
    },
    to: "over",
    expected: { go: ["a", "b"] },
  },
  {
    what: "burst without room",
    environments: {
      over: rule({ type: "burst", from_destination_ids: "a,b", to_destination_id: "c", num_jobs: "2" }),
    },
    to: "over",
    expected: { go: ["c"] },
  },
  {
    what: "burst that counts jobs of one state only",
    environments: {
      over: rule({
        type: "burst",
        from_destination_ids: "a,b",
        to_destination_id: "c",
        num_jobs: 2,
        job_states: "queued",
      }),
    },
    to: "over",
    expected: { go: ["a", "b"] },
  },
  inScript("a function of the last module that has it", "overruled", { go: ["b"] }),
  inScript(
    "a function of the module it names",
    "overruled",
    { go: ["a"] },
    {
      environments: { asked: script("overruled", { rules_module: "a_rules" }) },
    },
  ),
  inScript("a function of a default export", "by_default", { go: ["c"] }),
  inScript("a function in TypeScript that imports another file", "typed", { go: ["c"] }),
  {
    what: "the function that is named like the tool",
    environments: { asked: rule({ type: "javascript" }) },
    to: "asked",
    expected: { go: ["c"] },
  },
  inScript(
    "arguments by their names",
    "asks",
    { go: ["a"] },
    {
      params: { n: 5, __job_resource: { __job_resource__select: "yes", cores: "4" } },
    },
  ),
  inScript("an argument that is taken apart", "apart", { go: ["a"] }),
  inScript("an argument that there is not, with a default", "not_required", { go: ["b"] }),
  inScript(
    "an argument that there is not",
    "unknown",
    { fail: misconfigured },
    { traceback: /asks for usr/ },
  ),
  inScript(
    "a function that there is not",
    "onlyhere",
    { fail: misconfigured },
    {
      traceback: /no function onlyhere .*broken\.js could not be loaded/s,
    },
  ),
  inScript("a rule without a result", "nothing", { fail: unhandled }, { traceback: /returned nothing/ }),
  inScript("a rule that throws", "throws", { fail: unhandled }, { traceback: /Error: boom\n.*a_rules\.js/ }),
  inScript("JobMappingException", "refuses", { fail: /^Your input is too large\.$/ }),
  inScript("JobNotReady", "not_ready", {
    wait: /not_ready of destination asked: the reference data are being copied/,
  }),
  inScript("JobNotReadyException with a state", "not_ready_as_in_galaxy", { wait: /: wait for it$/ }),
  inScript(
    "a rule that loops for ever",
    "hangs",
    { fail: /hangs of destination asked did not answer within 0.2 s/ },
    {
      environments: { asked: script("hangs", { rule_timeout: 0.2 }) },
    },
  ),
  inScript(
    "a rule that never answers",
    "never_answers",
    { fail: /did not answer within 0.2 seconds/ },
    {
      environments: { asked: script("never_answers", { rule_timeout: 0.2 }) },
    },
  ),
  inScript("a rule that ends its process", "leaves", { fail: unhandled }, { traceback: /ended its thread/ }),
  inScript("a rule that eats all memory", "eats", { fail: unhandled }, { traceback: /memory/ }),
  inScript("a destination of job_conf with other parameters", "changes", { go: ["a"] }),
  inScript("a destination of the rule's own, with the id of the dynamic one", "makes", { go: ["asked"] }),
  inScript(
    "a destination with a key that there is not",
    "makes_wrong",
    { fail: unhandled },
    {
      traceback: /unknown key slots/,
    },
  ),
  inScript("a destination with a parameter that is wrong", "makes_wrong_slots", {
    fail: /destination asked, local_slots: expected a whole number/,
  }),
  inScript("a dynamic destination of the rule's own", "makes_dynamic", { go: ["b"] }),
  inScript(
    "a chain of rules",
    "onward",
    { go: ["b"] },
    {
      environments: { asked: script("onward"), chosen: rule({ type: "choose_one", destination_ids: "b" }) },
    },
  ),
  inScript(
    "rules that lead to themselves",
    "around",
    { fail: /lead nowhere: around → around → / },
    {
      environments: { around: script("around") },
      to: "around",
    },
  ),
  inScript(
    "a destination that there is not",
    "only_here",
    { fail: /there is no destination nowhere/ },
    {
      to: "nowhere",
    },
  ),
  inScript("counts of jobs by destination, state and user", "counts", { go: ["a"] }),
  inScript(
    "a count of a state that cannot be counted",
    "counts_wrongly",
    { fail: unhandled },
    {
      traceback: /jobs of the state ok cannot be counted/,
    },
  ),
  inScript("the helper's choice by a value", "hashes", { go: ["b"] }),
  {
    what: "a rule in Python",
    environments: { asked: rule({ function: "pick" }) },
    to: "asked",
    expected: { fail: /rules are JavaScript or TypeScript here, not Python/ },
  },
  {
    what: "a destination that requires a container",
    environments: { boxed: { runner: "local", require_container: true } },
    to: "boxed",
    expected: { fail: /^Failed to find a container when required \(destination boxed\)/ },
  },
];

describe("The destination of a job", function () {
  this.timeout(60_000);
  const database = withDatabase();
  let folder: ConfigFolder;
  let ann: number;
  let history: number;

  /** One job queued on a (bob's), one running on b. */
  before(async () => {
    const { sql } = database;
    const owner = await ensureUser(sql, "ann@example.org");
    const bob = await ensureUser(sql, "bob@example.org");
    ann = owner.id;
    history = (await ensureDefaultHistory(sql, ann)).id;
    const { pid, startTime, bootId } = ownIdentity();
    const process = {
      hostname: "elsewhere",
      bootId,
      pid,
      pidStartTime: startTime,
      version: "test",
      protocol: 1,
      leaseSeconds: 15,
      runDirectoryId: "d",
    };
    const incarnationId = await registerIncarnation(
      sql,
      { serverName: "other", tags: [], ...process },
      { isGone: () => false, poisonLimit: 3 },
    );
    const bobs = (await ensureDefaultHistory(sql, bob.id)).id;
    for (const destinationId of ["a", "b"]) {
      await newJob(bob.id, bobs);
      const [job] = await claimJobsSkippingLocked(sql, {
        incarnationId,
        serverName: "other",
        tags: ["nobody"],
        limit: 1,
      });
      const owned = { id: job!.id, fence: job!.fence };
      await enqueueJobsIfClaimed(sql, [
        { ...owned, runnerName: "local", destinationId, destinationParams: {} },
      ]);
      if (destinationId === "b")
        await markJobRunningIfQueued(sql, { ...owned, externalId: "1", commandLine: "true" });
    }
    folder = new ConfigFolder();
    mkdirSync(join(folder.path, "rules"));
    for (const [name, text] of Object.entries(modules)) writeFileSync(join(folder.path, "rules", name), text);
  });
  after(() => folder.remove());

  async function newJob(userId: number, historyId: number): Promise<number> {
    const tool = { toolId: "some-tool", toolVersion: "1.0", galaxyVersion: "test", params: {} };
    const none = { inputs: [], outputs: [] };
    const handler = { handler: "nobody", assignedHandler: "nobody" };
    const { job } = await insertJob(database.sql, { userId, historyId, ...tool, ...handler, ...none });
    return job.id;
  }

  function mapperOf(environments: Record<string, unknown>): DestinationMapper {
    const jobConf = {
      runners: { local: { load: "local" }, elsewhere: { load: "local" } },
      execution: { default: "a", environments: { ...plain, ...environments } },
    };
    const file = folder.write("galaxy.yml", JSON.stringify({ galaxy: { job_config: jobConf } }));
    const config = loadGalaxyConfig({ file, env: {} });
    return new DestinationMapper({ config, database: database.sql, serves: (runner) => runner === "local" });
  }

  const asked = (id: number, params: Record<string, unknown> = {}) => ({
    job: { id, userId: ann, historyId: history, params: params as Record<string, string> },
    tool: { id: "some-tool", version: "1.0" },
    inputs: [],
  });

  for (const { what, environments, to, expected, traceback, params } of cases) {
    it(`is decided by ${what}`, async () => {
      const mapper = mapperOf(environments);
      try {
        const mapping = await mapper.map({ ...asked(77, params), wanted: to });
        if ("go" in expected) expect(expected.go, said(mapping)).to.include(idOf(mapping));
        else if ("wait" in expected)
          expect(mapping.verdict === "wait" && mapping.reason, said(mapping)).to.match(expected.wait);
        else expect(mapping.verdict === "fail" && mapping.info, said(mapping)).to.match(expected.fail);
        if (traceback !== undefined)
          expect(mapping.verdict === "fail" && mapping.traceback, said(mapping)).to.match(traceback);
      } finally {
        await mapper.close();
      }
    });
  }

  it("has what the rule changed of it", async () => {
    const mapper = mapperOf({ asked: script("changes") });
    const mapping = await mapper.map({ ...asked(77), wanted: "asked" });
    await mapper.close();
    if (mapping.verdict !== "go") throw new Error(said(mapping));
    expect(mapping.destination.params).to.deep.equal({ native: "-n 4" });
    expect(mapping.destination.env).to.deep.equal([{ kind: "variable", name: "X", value: "1", raw: false }]);
    expect(mapping.reason).to.equal("the rule changes of destination asked says a");
  });

  it("is decided for jobs at once as if one came after the other, where a burst counts them", async () => {
    const over = rule({ type: "burst", from_destination_ids: "c", to_destination_id: "a", num_jobs: 3 });
    const mapper = mapperOf({ over });
    const ids: number[] = [];
    for (let number = 0; number < 8; number += 1) {
      ids.push(await newJob(ann, history));
    }
    const mappings = await Promise.all(ids.map((id) => mapper.map({ ...asked(id), wanted: "over" })));
    expect(mappings.map(idOf)).to.have.members(["a", "a", "a", "a", "a", "c", "c", "c"]);
    // A job that is looked at again does not count itself, and one that has left makes room.
    const held = ids.find((_, index) => idOf(mappings[index]!) === "c")!;
    expect(idOf(await mapper.map({ ...asked(held), wanted: "over" }))).to.equal("c");
    mapper.forget(held);
    const other = ids.find((_, index) => idOf(mappings[index]!) === "a")!;
    expect(idOf(await mapper.map({ ...asked(other), wanted: "over" }))).to.equal("c");
    await mapper.close();
  });

  it("is decided by the example of docs/destinations.md", async () => {
    const page = readFileSync(join(repository, "docs", "destinations.md"), "utf8");
    const [, yaml] = /```yaml\n(.*?)```/s.exec(page)!;
    const [, code] = /```ts\n(.*?)```/s.exec(page)!;
    const own = new ConfigFolder();
    own.write("rules/site.ts", code!);
    own.write("job_conf.yml", yaml!);
    const config = loadGalaxyConfig({ file: own.write("galaxy.yml", "galaxy: {}"), env: {} });
    expect(await checkRules(config)).to.deep.equal([]);
    const mapper = new DestinationMapper({ config, database: database.sql, serves: () => true });
    const input = { inputName: "in", id: 1, uuid: "", name: "x", extension: "txt", state: "ok" } as const;
    const of = async (fileSize: number) =>
      idOf(
        await mapper.map({
          ...asked(1),
          inputs: [{ ...input, fileSize, deleted: false, purged: false }],
        }),
      );
    expect([await of(999_999), await of(1_000_001)]).to.deep.equal(["small", "large"]);
    await mapper.close();
    own.remove();
  });

  it("of other rules is decided while one hangs", async () => {
    const mapper = mapperOf({ slow: script("hangs", { rule_timeout: 30 }), quick: script("by_default") });
    const slow = mapper.map({ ...asked(1), wanted: "slow" }).catch((error: Error) => error.message);
    expect(idOf(await mapper.map({ ...asked(2), wanted: "quick" }))).to.equal("c");
    await mapper.close();
    expect(await slow).to.equal("the thread of the rules was closed");
  });

  it("is decided by a new thread after a rule that hung", async () => {
    const mapper = mapperOf({ both: rule({ type: "javascript", rule_timeout: 0.5 }) });
    const first = mapper.map({ ...asked(1), tool: { id: "hangs", version: "1" }, wanted: "both" });
    const second = mapper.map({ ...asked(2), tool: { id: "by_default", version: "1" }, wanted: "both" });
    expect((await first).verdict).to.equal("fail");
    expect(idOf(await second)).to.equal("c");
    await mapper.close();
  });
});

function idOf(mapping: DestinationMapping): string | undefined {
  return mapping.verdict === "go" ? mapping.destination.id : undefined;
}

function said(mapping: DestinationMapping): string {
  return JSON.stringify(mapping);
}
