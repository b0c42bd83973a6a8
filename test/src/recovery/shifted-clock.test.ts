import { existsSync, readdirSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { startGalaxy, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";
import { makeTracedTool, type TracedTool } from "./traced-tool.ts";

/** libfaketime, which gives a process a wall clock of its own; the monotonic clock stays. */
function fakeClock(): string | undefined {
  const folders = existsSync("/usr/lib") ? readdirSync("/usr/lib").map((name) => join("/usr/lib", name)) : [];
  return folders
    .map((folder) => join(folder, "faketime", "libfaketime.so.1"))
    .find((library) => existsSync(library));
}

describe("a handler whose clock is wrong", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;
  let tool: TracedTool;
  let clock: string;
  let env: Record<string, string>;

  before(async function () {
    const library = fakeClock();
    if (library === undefined) {
      console.log("      needs libfaketime (package faketime)");
      this.skip();
    }
    tool = await makeTracedTool();
    galaxy = await startGalaxy({ handlers: [], tools: tool.tools, galaxy: { handler_lease: 3 } });
    clock = join(galaxy.folder, "clock");
    env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  });
  after(() => galaxy?.stop());

  const set = async (offset: string) => {
    // Renamed: a process reads it at any moment.
    await writeFile(`${clock}.new`, `${offset}\n`);
    await rename(`${clock}.new`, clock);
  };
  const submit = async (number: number) => {
    const body = { tool_id: "traced", inputs: { number, code: 7, gated: true } };
    return (await galaxy.api("/api/tools", { body })).jobs[0].id as string;
  };
  const heartbeat = async (name: string) => {
    const [row] = await galaxy.database.sql<{ heartbeatTime: Date }[]>`
      select heartbeat_time from handler_incarnation where server_name = ${name} and end_time is null`;
    return row!.heartbeatTime.getTime();
  };

  it("keeps its lease and its jobs when the clock is set back, and forward, by an hour", async () => {
    await set("+0s");
    const handler = galaxy.spawnHandler("wrong", ["job-handlers"], env);
    await handler.line(/job\.registered/, 90_000);
    const first = await submit(1);
    await galaxy.job(first, ["running"], 90_000);
    const neighbour = await galaxy.startHandler("right");
    for (const [offset, shown] of [
      ["-3600s", -3600],
      ["+3600s", 3600],
    ] as const) {
      await set(offset);
      const before = await heartbeat("wrong");
      // More than a lease by the only clock that counts, the database's.
      await until(async () => ((await heartbeat("wrong")) - before > 4_500 ? true : undefined), {
        what: `heartbeats with the clock at ${shown} s`,
        deadline: 60_000,
      });
    }
    const second = await submit(2);
    await galaxy.job(second, ["running"], 90_000);
    await tool.open(1);
    await tool.open(2);
    for (const job of [first, second])
      expect(await galaxy.job(job, ["ok", "error"], 90_000)).to.include({ state: "error", exit_code: 7 });
    expect(await tool.runs()).to.deep.equal(
      new Map([
        [1, 1],
        [2, 1],
      ]),
    );
    for (const { lines } of [handler, neighbour])
      expect(lines.filter((line) => /job\.(took_over|fenced)|held=false/.test(line))).to.deep.equal([]);
    // The wrong clock is really its own: its log is ahead of ours by an hour.
    const last = /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(handler.lines.at(-1)!)![0];
    expect(Date.parse(last) - Date.now()).to.be.greaterThan(3_000_000);
  });
});
