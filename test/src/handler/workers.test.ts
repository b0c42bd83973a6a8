import { expect } from "chai";
import { Workers } from "@galaxy-jobs/handler";

const inPool = (id: number) => ({ id, assignedHandler: null });

describe("the workers of a runner", () => {
  let workers: Workers;
  let time: number;
  beforeEach(() => {
    time = 0;
    const context = { runners: new Map([["local", { slots: 2 } as never]]), tags: ["_default_"] };
    workers = new Workers(context, () => time);
  });
  afterEach(() => workers.stop());

  const room = () => workers.room().get("local");
  const free = () => workers.free().get("local");
  /** So many runs that each take no time. */
  const runShortJobs = (count: number) => {
    for (let id = 1000; id < 1000 + count; id += 1) {
      workers.queue(inPool(id), "local");
      workers.runEnded(id);
      workers.leave(id);
    }
  };

  it("take no more jobs than there are, as long as nothing is known of the runs", () => {
    expect(room()).to.equal(2);
    workers.queue(inPool(1), "local");
    workers.queue(inPool(2), "local");
    expect(room()).to.equal(0);
  });

  it("take some ahead while runs are short, many at a time", () => {
    runShortJobs(10);
    expect(room()).to.equal(102);
    expect(free()).to.equal(2);
    for (let id = 1; id <= 102; id += 1) workers.queue(inPool(id), "local");
    expect(room()).to.equal(-100);
    for (let id = 1; id <= 40; id += 1) workers.leave(id);
    // A claim for few is not worth its commit.
    expect(room()).to.equal(-60);
    for (let id = 41; id <= 60; id += 1) workers.leave(id);
    expect(room()).to.equal(60);
    expect(free()).to.equal(-40);
  });

  it("take none ahead of workers whose present run is long", () => {
    runShortJobs(10);
    workers.queue(inPool(1), "local");
    workers.queue(inPool(2), "local");
    expect(room()).to.equal(100);
    time += 300;
    expect(room()).to.equal(0);
  });

  it("take none ahead when runs were long", () => {
    workers.queue(inPool(1), "local");
    time += 300;
    workers.runEnded(1);
    workers.leave(1);
    expect(room()).to.equal(2);
  });

  it("go to those that are ready, in their order", async () => {
    for (let id = 1; id <= 5; id += 1) workers.queue(inPool(id), "local");
    expect(await workers.turn(1)).to.equal("go");
    expect(await workers.turn(2)).to.equal("go");
    const begun: number[] = [];
    const wait = (id: number) =>
      workers.turn(id).then((turn) => {
        expect(turn).to.equal("go");
        begun.push(id);
      });
    const turns = [wait(5), wait(4)];
    workers.runEnded(1);
    workers.leave(2);
    await Promise.all(turns);
    expect(begun).to.have.members([4, 5]);
    workers.leave(4);
    // None else is ready: the first of them has the worker while it is being prepared.
    expect(await workers.turn(3)).to.equal("go");
  });

  it("have a place for a job that is claimed again before its last steps here are over", async () => {
    for (let id = 1; id <= 3; id += 1) workers.queue(inPool(id), "local");
    workers.queue(inPool(1), "local");
    workers.leave(1);
    workers.queue(inPool(1), "local");
    const again = workers.turn(1);
    workers.leave(2);
    expect(await again).to.equal("go");
  });

  it("let go of a job that waits for longer than was to be expected, unless it can go nowhere else", async () => {
    for (const id of [1, 2]) workers.queue(inPool(id), "local");
    workers.queue(inPool(3), "local");
    workers.queue({ id: 4, assignedHandler: "handler0" }, "local");
    const [pooled, own] = [workers.turn(3), workers.turn(4)];
    time += 1_100;
    expect(await pooled).to.equal("late");
    workers.leave(3);
    workers.leave(1);
    expect(await own).to.equal("go");
  });

  it("let go of a job that is to be deleted, and of all when the handler stops", async () => {
    for (let id = 1; id <= 5; id += 1) workers.queue(inPool(id), "local");
    const [deleted, left] = [workers.turn(3), workers.turn(4)];
    workers.remove(3);
    expect(await deleted).to.equal("lost");
    expect(await workers.turn(3)).to.equal("lost");
    workers.stop();
    expect(await left).to.equal("stopped");
    expect(await workers.turn(5)).to.equal("stopped");
  });
});
