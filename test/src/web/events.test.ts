import { expect } from "chai";
import { must, startSharedGalaxy, submit, type ApiClient, type SharedGalaxy } from "../support/api-client.ts";
import { until } from "../support/until.ts";

interface JobEvent {
  readonly event: string;
  readonly lastId: string;
  readonly id: string;
  readonly state: string;
}

describe("server-sent events", function () {
  this.timeout(120_000);
  let shared: SharedGalaxy;
  const open: { stop(): void }[] = [];
  before(async () => {
    shared = await startSharedGalaxy();
  });
  afterEach(() => {
    for (const stream of open.splice(0)) stream.stop();
  });
  after(() => shared?.galaxy.stop());

  const listen = async (client: ApiClient, path = "/api/events", lastEventId?: string) => {
    const stopping = new AbortController();
    const response = await fetch(`${shared.galaxy.address}${path}`, {
      headers: {
        "x-api-key": client.key!,
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      },
      signal: stopping.signal,
    });
    expect(response.headers.get("content-type")).to.match(/^text\/event-stream\b/);
    const events: JobEvent[] = [];
    void read(response.body!, events).catch(() => undefined);
    const stream = { events, stop: () => stopping.abort() };
    open.push(stream);
    return stream;
  };
  const statesOf = (events: readonly JobEvent[], job: string) =>
    events.filter(({ id }) => id === job).map(({ state }) => state);
  const ended = (events: readonly JobEvent[], job: string) =>
    until(() => statesOf(events, job).includes("ok"), { what: `the end of ${job}`, deadline: 30_000 });

  it("tell the states of one's own jobs, in order, and of nobody else's", async () => {
    const alice = await listen(shared.alice);
    const bob = await listen(shared.bob);
    const admin = await listen(shared.admin);
    const all = await listen(shared.admin, "/api/events?all=True");
    const bootstrap = await listen(shared.bootstrap);
    const { job } = await submit(shared.alice, "sleep", { seconds: 0 });
    await ended(alice.events, job);
    expect(statesOf(alice.events, job)).to.deep.equal(["new", "queued", "running", "ok"]);
    for (const { events } of [all, bootstrap]) await ended(events, job);
    // What comes after a job of their own is there, so is what came before it.
    const theirs = await submit(shared.bob, "sleep", { seconds: 0 });
    await ended(bob.events, theirs.job);
    const own = await submit(shared.admin, "sleep", { seconds: 0 });
    await ended(admin.events, own.job);
    for (const { events } of [bob, admin]) expect(statesOf(events, job)).to.deep.equal([]);
    expect(statesOf(alice.events, theirs.job)).to.deep.equal([]);
  });

  it("for all users are an administrator's only", async () => {
    const bob = await listen(shared.bob, "/api/events?all=true");
    const { job } = await submit(shared.alice, "sleep", { seconds: 0 });
    const own = await submit(shared.bob, "sleep", { seconds: 0 });
    await ended(bob.events, own.job);
    expect(statesOf(bob.events, job)).to.deep.equal([]);
  });

  it("are replayed from the last that a client had, each once, however many others came between", async () => {
    const first = await listen(shared.alice);
    const before = await submit(shared.alice, "sleep", { seconds: 0 });
    await ended(first.events, before.job);
    const last = first.events.at(-1)!.lastId;
    first.stop();
    // More of another user's than a batch of the replay.
    const { sql } = shared.galaxy.database;
    await sql`
      insert into job_state_history (job_id, state)
      select job.id, 'new' from job join galaxy_user on galaxy_user.id = job.user_id, generate_series(1, 3000)
      where username = 'bob' limit 3000`;
    const missed = await submit(shared.alice, "sleep", { seconds: 0 });
    await until(async () => (await must(shared.alice(`/api/jobs/${missed.job}`))).state === "ok", {
      what: "the job to end unheard",
      deadline: 30_000,
    });
    const second = await listen(shared.alice, "/api/events", last);
    await ended(second.events, missed.job);
    expect(statesOf(second.events, missed.job)).to.deep.equal(["new", "queued", "running", "ok"]);
    expect(statesOf(second.events, before.job)).to.deep.equal([]);
    const live = await submit(shared.alice, "sleep", { seconds: 0 });
    await ended(second.events, live.job);
    expect(statesOf(second.events, live.job)).to.deep.equal(["new", "queued", "running", "ok"]);
    const ids = second.events.map(({ lastId }) => lastId);
    expect(new Set(ids).size).to.equal(ids.length);
  });

  it("miss nothing of a job that is submitted as soon as the stream is open", async () => {
    for (let round = 0; round < 5; round += 1) {
      const stream = await listen(shared.alice);
      const { job } = await submit(shared.alice, "sleep", { seconds: 0 });
      await ended(stream.events, job);
      expect(statesOf(stream.events, job)[0]).to.equal("new");
      stream.stop();
    }
  });

  it("begin anew for a client whose last event makes no sense", async () => {
    for (const last of ["nonsense", "-1", "99999999999999999999", "1e3"]) {
      const stream = await listen(shared.alice, "/api/events", last);
      const { job } = await submit(shared.alice, "sleep", { seconds: 0 });
      await ended(stream.events, job);
      expect(new Set(stream.events.map(({ id }) => id)), last).to.deep.equal(new Set([job]));
      stream.stop();
    }
  });
});

async function read(body: ReadableStream<Uint8Array>, to: JobEvent[]): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of body) {
    text += decoder.decode(part, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block
          .split("\n")
          .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      if (fields["data"] === undefined) continue;
      to.push({ event: fields["event"]!, lastId: fields["id"]!, ...JSON.parse(fields["data"]) });
    }
  }
}
