import { once } from "node:events";
import { expect } from "chai";
import fc from "fast-check";
import { ClaimCursor } from "@galaxy-jobs/handler";
import { openDatabase, releaseJobsIfNew, type ClaimRequest, type Database } from "@galaxy-jobs/shared-db";
import { Claims } from "../support/claims.ts";
import { withDatabase } from "../support/database.ts";

/** What may happen between claims. */
type Act =
  | { readonly kind: "submit"; readonly user: number; readonly jobs: number; readonly priority: number }
  /** A transaction that has its ticket, and is committed at the next `commit`. */
  | { readonly kind: "begin" }
  | { readonly kind: "commit" }
  /** A handler gives back what it had claimed last. */
  | { readonly kind: "release"; readonly handler: number }
  | { readonly kind: "claim"; readonly handler: number; readonly limit: number; readonly took: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    kind: fc.constant("submit" as const),
    user: fc.nat(2),
    jobs: fc.integer({ min: 1, max: 400 }),
    priority: fc.constantFrom(1, 10, 100),
  }),
  fc.record({ kind: fc.constantFrom("begin" as const, "commit" as const) }),
  fc.record({ kind: fc.constant("release" as const), handler: fc.nat(1) }),
  fc.record({
    kind: fc.constant("claim" as const),
    handler: fc.nat(1),
    limit: fc.integer({ min: 1, max: 300 }),
    // What a look from the first job on costs, ms.
    took: fc.constantFrom(1, 100, 5_000),
  }),
);

/** Claims as a handler does, on a clock of its own. */
class Claimer {
  readonly cursor = new ClaimCursor();
  last: readonly { id: number; fence: number }[] = [];
  readonly #claims: Claims;
  readonly #request: ClaimRequest;

  constructor(claims: Claims, request: ClaimRequest) {
    this.#claims = claims;
    this.#request = request;
  }

  async claim(limit: number, now: number, took: number) {
    const look = this.cursor.look(now);
    const jobs = await this.#claims.claim(this.#request, { limit, ...look });
    this.cursor.claimed(look, jobs, now, took);
    if (jobs.length > 0) this.last = jobs;
    return jobs;
  }
}

describe("a handler's claim cursor", function () {
  this.timeout(180_000);
  const database = withDatabase();
  const claims = new Claims(() => database.sql);

  beforeEach(() => claims.reset());

  it("misses no job, though some come in before it: late commits, jobs given back, other priorities, other handlers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 30 }), async (acts) => {
        claims.nextQueue();
        const users = await Promise.all(["a", "b", "c"].map((name) => claims.user(name)));
        const late = await claims.user("late");
        const claimers = await Promise.all(
          ["h0", "h1"].map(async (name) => new Claimer(claims, await claims.handler(name))),
        );
        let now = 0;
        let open: { commit(): void; done: Promise<unknown> } | undefined;
        const commit = async () => {
          open?.commit();
          await open?.done;
          open = undefined;
        };
        for (const one of acts) {
          now += 50;
          if (one.kind === "submit") await claims.submitMany(users[one.user]!, one.jobs, one.priority);
          else if (one.kind === "begin") open ??= await beginSubmission(claims, late);
          else if (one.kind === "commit") await commit();
          else if (one.kind === "release") {
            await releaseJobsIfNew(database.sql, claimers[one.handler]!.last);
            claimers[one.handler]!.last = [];
          } else await claimers[one.handler]!.claim(one.limit, now, one.took);
        }
        await commit();
        // One handler is left: it finds all, at the latest with its next look from the first job on.
        const last = claimers[acts.length % 2]!;
        for (now += 10_000; (await last.claim(1_000, now, 5_000)).length > 0; now += 10_000);
        const [left] = await database.sql<{ count: number }[]>`
          select count(*)::int as count from job where handler = ${claims.queue}`;
        expect(left!.count).to.equal(0);
      }),
      { numRuns: 20, interruptAfterTimeLimit: 40_000, markInterruptAsFailure: false },
    );
  });

  it("comes back for a look from the first job on as soon as it may have one", () => {
    const cursor = new ClaimCursor();
    const full = cursor.look(0);
    expect(full.from).to.equal(undefined);
    cursor.claimed(full, [], 0, 50);
    expect(cursor.pause(1_000, 0), "the usual poll").to.be.within(900, 1_100);
    const next = cursor.look(100);
    expect(next.from).to.not.equal(undefined);
    cursor.claimed(next, [], 100, 1);
    expect(cursor.pause(1_000, 100)).to.equal(400);
    expect(cursor.look(500).from).to.equal(undefined);
    cursor.claimed(cursor.look(500), [], 500, 60_000);
    expect(cursor.look(10_499).from).to.not.equal(undefined);
    expect(cursor.look(10_500).from, "at the latest").to.equal(undefined);
  });

  it("reads as little with 100,000 dead rows that an old snapshot keeps as without any", async () => {
    const [many, other] = [await claims.user("many"), await claims.user("other")];
    const request = await claims.handler("handler0");
    const plans: string[] = [];
    const watched = openDatabase(database.address, {
      applicationName: "watched",
      maxConnections: 1,
      onNotice: (message) => plans.push(message),
    });
    const buffers = async (work: (sql: Database) => Promise<unknown>) => {
      plans.length = 0;
      await work(watched);
      return plans.reduce((sum, plan) => sum + buffersOf(plan), 0);
    };
    try {
      await watched.unsafe(
        `load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;
         set auto_explain.log_buffers = on; set auto_explain.log_nested_statements = on; set client_min_messages = log`,
      );
      const one = new Claimer(new Claims(() => watched), request);
      await claims.submitMany(many, 100_200);
      await database.sql`vacuum analyze job`;
      const usual = await buffers(() => one.claim(10, 0, 60_000));
      expect(usual).to.be.greaterThan(0);
      const submitted = await buffers((sql) => claims.submit(other, {}, sql));

      const holder = await database.sql.reserve();
      try {
        await holder`begin isolation level repeatable read`;
        await holder`select count(*) from job`;
        for (let batch = 0; batch < 10; batch += 1) await one.claim(10_000, 1, 0);
        // The plans of these were big; what counts is what comes now.
        const held = await buffers(() => one.claim(10, 2, 0));
        expect(held, "a claim").to.be.below(usual * 2 + 300);
        expect(plans.join("\n"), "the plan of a claim")
          .to.contain("Index Scan using job_claim on job")
          .and.not.match(/Seq Scan on job|Sort Key:.*ticket/);
        const neighbour = new Claimer(new Claims(() => watched), await claims.handler("handler1"));
        neighbour.cursor.claimed({}, [], 0, 60_000);
        const first = await buffers(() => neighbour.claim(10, 2, 0));
        expect(first, "the first claim of another handler").to.be.below(usual * 2 + 300);
        const late = await buffers((sql) => claims.submit(other, {}, sql));
        expect(late, "a submission").to.be.below(submitted * 2 + 300);
        const all = await buffers(() => new Claimer(new Claims(() => watched), request).claim(10, 0, 0));
        expect(all, "a look from the first job on, which it does not have").to.be.greaterThan(usual * 10);
      } finally {
        await holder`rollback`;
        holder.release();
      }
    } finally {
      await watched.end();
    }
  });
});

/** A job whose transaction has given it a ticket and is not committed. */
async function beginSubmission(claims: Claims, userId: number) {
  const gate = new EventTarget();
  const opened = once(gate, "there");
  const committed = once(gate, "commit");
  const done = claims.sql.begin(async (sql) => {
    await sql`
      insert into job (user_id, tool_id, tool_version, galaxy_version, state, assigned_handler, handler, ticket)
      values (${userId}, 't', '1', '0', 'new', ${claims.queue}, ${claims.queue}, next_ticket(${claims.queue}, ${userId}, 10))`;
    gate.dispatchEvent(new Event("there"));
    await committed;
  });
  await Promise.race([opened, done]);
  return { commit: () => void gate.dispatchEvent(new Event("commit")), done };
}

/** The pages that the root of a plan of auto_explain counts. */
function buffersOf(plan: string): number {
  const counted = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(plan);
  return Number(counted?.[1] ?? 0) + Number(counted?.[2] ?? 0);
}
