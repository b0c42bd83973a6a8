import { EventEmitter, once } from "node:events";
import { expect } from "chai";
import { Loop, ServiceGroup, untilReady, type Service } from "@galaxy-jobs/runtime";

const never = Number.POSITIVE_INFINITY;

describe("The loop", () => {
  it("wakes early, and a wake during a round makes the next wait nothing", async () => {
    const events = new EventEmitter();
    let rounds = 0;
    const loop = new Loop({
      name: "test",
      work: () => {
        rounds += 1;
        if (rounds === 2) loop.wake();
        events.emit(`round ${rounds}`);
        return Promise.resolve(never);
      },
      onError: (error) => events.emit("error", error),
    });
    const third = once(events, "round 3");
    await loop.start();
    loop.wake();
    await third;
    await loop.stop();
    expect(rounds).to.equal(3);
  });

  it("lives on after an error, and after an error of the one who is told", async () => {
    const events = new EventEmitter();
    const errors: unknown[] = [];
    let rounds = 0;
    const loop = new Loop({
      name: "test",
      work: () => {
        rounds += 1;
        if (rounds < 3) throw new Error(`round ${rounds}`);
        events.emit("recovered");
        return Promise.resolve(never);
      },
      onError: (error) => {
        errors.push((error as Error).message);
        throw new Error("the one who is told fails too");
      },
      errorDelay: 0,
    });
    const recovered = once(events, "recovered");
    const warning = once(process, "warning");
    await loop.start();
    await recovered;
    expect(String((await warning)[0])).to.include("the one who is told fails too");
    await loop.stop();
    expect(errors).to.deep.equal(["round 1", "round 2"]);
  });

  it("stops only after the running round, which is told; stop before start and twice are harmless", async () => {
    const order: string[] = [];
    const loop = new Loop({
      name: "test",
      async work(signal) {
        await once(signal, "abort");
        await new Promise((resolve) => setImmediate(resolve));
        order.push("round ended");
        return 0;
      },
      onError: () => undefined,
    });
    await loop.stop();
    await loop.start();
    await Promise.all([loop.stop(), loop.stop()]);
    order.push("stopped");
    expect(order).to.deep.equal(["round ended", "stopped"]);
    await loop.stop();
  });
});

describe("A group of services", () => {
  function recorded(name: string, log: string[], fails = false): Service {
    return {
      name,
      start: () => {
        log.push(`start ${name}`);
        return fails ? Promise.reject(new Error(`${name} failed`)) : Promise.resolve();
      },
      stop: () => {
        log.push(`stop ${name}`);
        return Promise.resolve();
      },
    };
  }

  it("starts in order and stops in reverse", async () => {
    const log: string[] = [];
    const group = new ServiceGroup("group", [recorded("a", log), recorded("b", log)]);
    await group.stop();
    await group.start();
    await group.stop();
    await group.stop();
    expect(log).to.deep.equal(["start a", "start b", "stop b", "stop a"]);
  });

  it("stops what was started when one fails to start", async () => {
    const log: string[] = [];
    const group = new ServiceGroup("group", [
      recorded("a", log),
      recorded("b", log, true),
      recorded("c", log),
    ]);
    const failure = await group.start().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.have.property("message", "b failed");
    expect(log).to.deep.equal(["start a", "start b", "stop a"]);
  });
});

describe("Waiting until something is ready", () => {
  it("tries again after retryable errors, and tells of each", async () => {
    const told: number[] = [];
    let attempts = 0;
    const answer = await untilReady({
      attempt: () => (++attempts < 3 ? Promise.reject(new Error("not yet")) : Promise.resolve("ready")),
      deadline: 5000,
      firstDelay: 1,
      onRetry: (_, { attempt }) => told.push(attempt),
    });
    expect(answer).to.equal("ready");
    expect(told).to.deep.equal([1, 2]);
  });

  it("gives up at once where a retry cannot help, and at the deadline with the last error", async () => {
    for (const options of [
      { deadline: 5000, isRetryable: () => false },
      { deadline: 20, firstDelay: 1 },
    ]) {
      const failure = await untilReady({ ...options, attempt: () => Promise.reject(new Error("down")) }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).to.have.property("message", "down");
    }
  });
});
