import { expect } from "chai";
import fc from "fast-check";
import {
  assignJobIfUnassigned,
  claimJobsSerializably,
  deregisterIncarnation,
  drainHandler,
  failOverPreassignedJobs,
  findJob,
  inDispatchOrder,
  jobsAhead,
  offerUnassignedJobs,
  pruneVirtualTime,
  reassignJobs,
  releaseDependents,
  releaseJobsIfNew,
  resumeJobIfPaused,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { Claims } from "../support/claims.ts";
import { withDatabase } from "../support/database.ts";

/** Something that happens to a pool. */
type Act =
  | { readonly submit: number; readonly jobs: number }
  /** As many handlers as there are numbers claim at once, each so many jobs. */
  | { readonly claims: readonly number[] };

/** On a slow machine fewer runs are enough. */
const patience = { interruptAfterTimeLimit: 40_000, markInterruptAsFailure: false };

const acts = (users: number): fc.Arbitrary<Act[]> =>
  fc.array(
    fc.oneof(
      fc.record({ submit: fc.nat(users - 1), jobs: fc.integer({ min: 1, max: 25 }) }),
      fc.record({ claims: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 3 }) }),
    ),
    { minLength: 5, maxLength: 40 },
  );

describe("the order of claims", function () {
  this.timeout(180_000);
  const database = withDatabase();
  const claims = new Claims(() => database.sql);
  const queue = "_default_";
  const ids = (jobs: readonly { id: number }[]) => jobs.map(({ id }) => id);

  beforeEach(() => claims.reset());

  it("keeps no user ahead of another who waits by more than a batch, whoever comes and goes, and whichever handlers claim at once", async () => {
    const count = 4;
    await fc.assert(
      fc.asyncProperty(acts(count), async (plan) => {
        claims.nextQueue();
        const users = await Promise.all(Array.from({ length: count }, (_, one) => claims.user(`u${one}`)));
        const handlers = await Promise.all([0, 1, 2].map((one) => claims.handler(`h${one}`)));
        const waiting = users.map(() => 0);
        // Jobs that one user got more than another since both wait.
        const ahead = users.map(() => users.map(() => 0));
        // Of all so far: what one batch brought somebody, a smaller one need not take away.
        let largest = 0;
        for (const act of plan) {
          if ("submit" in act) {
            if (waiting[act.submit] === 0)
              for (const other of users.keys()) ahead[act.submit]![other] = ahead[other]![act.submit] = 0;
            await claims.submitMany(users[act.submit]!, act.jobs);
            waiting[act.submit]! += act.jobs;
            continue;
          }
          const batches = await Promise.all(
            act.claims.map((limit, one) => claims.claim(handlers[one]!, { limit })),
          );
          for (const { userId } of batches.flat()) {
            const user = users.indexOf(userId!);
            waiting[user]! -= 1;
            for (const other of users.keys()) {
              ahead[user]![other]! += 1;
              ahead[other]![user]! -= 1;
            }
          }
          const batch = act.claims.reduce((sum, limit) => sum + limit, 0);
          largest = Math.max(largest, batch);
          for (const [user, counts] of ahead.entries())
            for (const [other, more] of counts.entries())
              if (waiting[other]! > 0 && waiting[user]! > 0)
                expect(more, `user ${user} ahead of user ${other}`).to.be.at.most(largest);
        }
      }),
      { numRuns: 25, ...patience },
    );
  });

  it("lets one job of one user pass a hundred thousand of another", async () => {
    const [many, one] = [await claims.user("many"), await claims.user("one")];
    const handler = await claims.handler("handler0");
    await claims.submitMany(many, 100_000);
    await claims.claim(handler, { limit: 50 });
    const { id } = await claims.submit(one);
    const second = await claims.submit(one);
    expect(ids(await claims.claim(handler, { limit: 4 }))).to.include.members([id, second.id]);
  });

  it("keeps the order of each user's jobs, with whatever priorities", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ user: fc.nat(2), priority: fc.integer({ min: 1, max: 100 }) }), {
          minLength: 1,
          maxLength: 25,
        }),
        fc.integer({ min: 1, max: 7 }),
        async (jobs, limit) => {
          claims.nextQueue();
          const users = [await claims.user("a"), await claims.user("b"), null];
          const handler = await claims.handler("handler0");
          for (const { user, priority } of jobs) await claims.submit(users[user]!, { priority });
          const order: { id: number; userId: number | null }[] = [];
          for (let batch; (batch = await claims.claim(handler, { limit })).length > 0;) order.push(...batch);
          expect(order).to.have.lengthOf(jobs.length);
          for (const user of users) {
            const own = ids(order.filter(({ userId }) => userId === user));
            expect(own).to.deep.equal(own.toSorted((a, b) => a - b));
          }
        },
      ),
      { numRuns: 15, ...patience },
    );
  });

  it("shares by the priorities of the jobs that wait", async () => {
    const [usual, high, low] = [
      await claims.user("usual"),
      await claims.user("high"),
      await claims.user("low"),
    ];
    const handler = await claims.handler("handler0");
    await claims.submitMany(usual, 300);
    await claims.submitMany(high, 300, 40);
    await claims.submitMany(low, 300, 5);
    const got = new Map([usual, high, low].map((user) => [user, 0]));
    for (let round = 0; round < 11; round += 1)
      for (const { userId } of await claims.claim(handler, { limit: 10 }))
        got.set(userId!, got.get(userId!)! + 1);
    expect([...got.values()]).to.deep.equal([20, 80, 10]);
  });

  it("gives a user who was idle neither credit nor debt", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const handler = await claims.handler("handler0");
    await claims.submitMany(a, 100);
    await claims.claim(handler, { limit: 100 });
    await claims.submitMany(a, 20);
    await claims.submitMany(b, 20);
    const batch = await claims.claim(handler, { limit: 20 });
    expect(batch.filter(({ userId }) => userId === a)).to.have.lengthOf(10);
  });

  it("gives the jobs of one user different places however many connections submit them", async () => {
    const user = await claims.user("busy");
    await Promise.all(Array.from({ length: 30 }, () => claims.submit(user)));
    const tickets = await database.sql<{ ticket: number }[]>`select ticket from job order by ticket`;
    expect(tickets.map(({ ticket }) => ticket)).to.deep.equal(
      Array.from({ length: 30 }, (_, index) => (index + 1) * 1000),
    );
  });

  it("gives a job its place when it becomes ready, not when it was submitted", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const handler = await claims.handler("handler0");
    const paused = await claims.submit(a);
    await database.sql`update job set state = 'paused', ticket = 0 where id = ${paused.id}`;
    await claims.submitMany(b, 30);
    await claims.claim(handler, { limit: 20 });
    const earlier = [await claims.submit(a), await claims.submit(a)];
    await resumeJobIfPaused(database.sql, paused.id);
    const own = (await claims.claim(handler, { limit: 6 })).filter(({ userId }) => userId === a);
    expect(ids(own)).to.deep.equal([...ids(earlier), paused.id]);
  });

  it("gives those that become ready together places one behind the other", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const maker = await claims.submit(a);
    for (const user of [a, a, b, a]) await claims.submit(user, { inputs: [maker.output] });
    await database.sql`update dataset set state = 'ok'`;
    await claims.end([maker]);
    await database.sql.begin((sql) => releaseDependents(sql, [maker.id]));
    const tickets = await database.sql<{ ticket: number; state: string }[]>`
      select ticket, state from job where id <> ${maker.id} order by id`;
    expect(tickets.map(({ state, ticket }) => [state, ticket])).to.deep.equal([
      ["new", 1000],
      ["new", 2000],
      ["new", 1000],
      ["new", 3000],
    ]);
  });

  it("gives a job that goes back its place again", async () => {
    const user = await claims.user("a");
    const [first, other] = [await claims.handler("handler0"), await claims.handler("handler1")];
    await claims.submitMany(user, 30);
    const batch = await claims.claim(first, { limit: 5 });
    await claims.claim(other, { limit: 5 });
    await releaseJobsIfNew(database.sql, batch.slice(2));
    expect(ids(await claims.claim(other, { limit: 3 }))).to.deep.equal(ids(batch.slice(2)));
    await deregisterIncarnation(database.sql, first.incarnationId);
    expect(ids(await claims.claim(other, { limit: 2 }))).to.deep.equal(ids(batch.slice(0, 2)));
  });

  it("lets a job that changes its queue neither pass all that wait there nor wait behind them", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const pool = await claims.handler("handler0");
    await claims.handler("handler1", ["other"]);
    // The two queues have come differently far.
    await claims.submitMany(b, 60);
    await claims.claim(pool, { limit: 40 });
    const own = { handler: "handler1", assignedTag: queue };
    const moved = [await claims.submit(a, own), await claims.submit(a, own), await claims.submit(a, own)];
    await drainHandler(database.sql, { serverName: "handler1", actor: "test" });
    const batch = await claims.claim(pool, { limit: 6 });
    expect(ids(batch.filter(({ userId }) => userId === a))).to.deep.equal(ids(moved));

    const silent = await claims.submit(a, { ...own, handler: "handler9" });
    expect(await failOverPreassignedJobs(database.sql, { tags: [queue], limit: 10 })).to.have.lengthOf(1);
    expect(ids(await claims.claim(pool, { limit: 2 }))).to.include(silent.id);

    const given = await claims.submit(a, { handler: "handler8" });
    await reassignJobs(database.sql, { from: "handler8", to: queue, actor: "test", started: false });
    expect(ids(await claims.claim(pool, { limit: 2 }))).to.include(given.id);
  });

  it("gives a job its place when its message arrives, or is lost", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const pool = await claims.handler("handler0");
    await claims.submitMany(b, 40);
    await claims.claim(pool, { limit: 20 });
    const message = { handler: null, assignedHandler: queue };
    const told = await claims.submit(a, message);
    const lost = await claims.submit(a, message);
    await assignJobIfUnassigned(database.sql, told.id, "handler0");
    expect(await offerUnassignedJobs(database.sql, [queue], 0)).to.equal(1);
    expect(ids(await claims.claim(pool, { limit: 3 }))).to.include.members([told.id, lost.id]);
  });

  it("takes turns among the queues of a handler", async () => {
    const user = await claims.user("a");
    const handler = await claims.handler("handler0", [queue, "special"]);
    await claims.submitMany(user, 30);
    for (let count = 0; count < 10; count += 1) await claims.submit(user, { handler: "special" });
    const queues = [];
    for (let turn = 0; turn < 6; turn += 1) {
      const batch = await claims.claim(handler, { limit: 3, firstQueue: turn });
      queues.push([...new Set(batch.map((job) => job.queue))].join());
    }
    expect(queues).to.deep.equal([queue, queue, "special", queue, queue, "special"]);
  });

  it("is not held up for newcomers by a user who may take no more, nor by tools that a handler passes over", async () => {
    const [held, busy, fresh] = [
      await claims.user("held"),
      await claims.user("busy"),
      await claims.user("fresh"),
    ];
    const handler = await claims.handler("handler0");
    await claims.submitMany(held, 30);
    await claims.submitMany(busy, 60);
    await claims.claim(handler, { limit: 40, exceptUsers: [held] });
    await claims.submitMany(fresh, 30);
    const batch = await claims.claim(handler, { limit: 20, exceptUsers: [held] });
    expect(batch.filter(({ userId }) => userId === fresh)).to.have.lengthOf(10);

    await claims.reset();
    const [heavy, light] = [await claims.user("heavy"), await claims.user("light")];
    const again = await claims.handler("handler0");
    for (let count = 0; count < 20; count += 1)
      await claims.submit(heavy, { toolId: count % 2 === 0 ? "local" : "cluster" });
    expect(await claims.claim(again, { limit: 10, exceptTools: ["local"] })).to.have.lengthOf(10);
    const { id } = await claims.submit(light, { toolId: "local" });
    expect(
      ids(await claims.claim(again, { limit: 3 })),
      "light is not behind what was passed over",
    ).to.include(id);
  });

  it("tells a job how many are ahead of it", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const handler = await claims.handler("handler0");
    await claims.submitMany(a, 50);
    await claims.claim(handler, { limit: 10 });
    const { id } = await claims.submit(b);
    const job = (await findJob(database.sql, id))!;
    const ahead = await jobsAhead(database.sql, job);
    expect(ahead).to.equal(1);
    expect(ids(await claims.claim(handler, { limit: ahead + 1 })).at(-1)).to.equal(id);
  });

  it("is that of a handler's waiting jobs too: resubmitted ones first, and of several queues the one whose next job is the oldest", () => {
    const row = (id: number, name: string, ticket: number, again?: number) =>
      ({
        id,
        assignedHandler: name,
        ticket,
        state: again === undefined ? "new" : "resubmitted",
        resubmitAfter: again === undefined ? null : new Date(again),
      }) as JobRow;
    const jobs = [
      row(1, "far", 9_000_000),
      row(7, "far", 8_000_000),
      row(2, "near", 3000),
      row(3, "near", 1000),
      row(9, "near", 2000),
      row(5, "near", 0, 20),
      row(6, "far", 0, 10),
    ];
    const order = inDispatchOrder(jobs, ({ assignedHandler }) => assignedHandler);
    expect(ids(order)).to.deep.equal([6, 5, 3, 7, 1, 9, 2]);
  });

  it("is the same at SERIALIZABLE", async () => {
    const [a, b] = [await claims.user("a"), await claims.user("b")];
    const handler = await claims.handler("handler0");
    await claims.submitMany(a, 20);
    await claims.submitMany(b, 5);
    const batch = await claimJobsSerializably(database.sql, handler);
    expect(batch.filter(({ userId }) => userId === b)).to.have.lengthOf(5);
  });

  it("forgets how far queues had come, but for the last of each", async () => {
    const user = await claims.user("a");
    const handler = await claims.handler("handler0");
    await claims.submitMany(user, 20);
    for (let batch = 0; batch < 4; batch += 1) await claims.claim(handler, { limit: 5 });
    expect(await pruneVirtualTime(database.sql, 2)).to.equal(2);
    expect(await pruneVirtualTime(database.sql, 2)).to.equal(1);
    const rows = await database.sql<{ ticket: number }[]>`select ticket from pool_virtual_time`;
    expect(rows.map(({ ticket }) => ticket)).to.deep.equal([20_000]);
  });
});
