import { expect } from "chai";
import { faultPoints, type FaultPoint, type FaultStep } from "@galaxy-jobs/handler";
import { startGalaxy, type Daemon, type Galaxy } from "../support/galaxy.ts";
import { until } from "../support/until.ts";
import { makeTracedTool, type TracedTool } from "./traced-tool.ts";

/**
 * What makes a handler come past a step:
 * `life` every job; `deletion` a running job that is deleted; `stop-early` a stop of the handler while it prepares a job;
 * `stop` a stop while a job runs; `take-over` a neighbour's death while a job runs; `requeue` one before the job was started;
 * `resubmission` a job that fails and is tried once more.
 */
type Scenario = "resubmission" | "life" | "deletion" | "stop-early" | "stop" | "take-over" | "requeue";

const scenarios: Record<FaultStep, Scenario> = {
  claim: "life",
  queue: "life",
  "prepare.directory": "life",
  "prepare.folders": "life",
  "prepare.config-file": "life",
  "prepare.tool-script": "life",
  "prepare.job-script": "life",
  start: "life",
  "mark-running": "life",
  write: "life",
  "collect.streams": "life",
  resubmit: "resubmission",
  "collect.output": "life",
  finish: "life",
  "clean-up": "life",
  "stop.run": "deletion",
  "give-back": "stop-early",
  deregister: "stop",
  "take-over": "take-over",
  adopt: "take-over",
  "recover.close": "take-over",
  "recover.run": "take-over",
  requeue: "requeue",
};

describe("a handler killed at every step of a job's life", function () {
  this.timeout(240_000);
  let galaxy: Galaxy;
  let tool: TracedTool;
  let number = 0;

  before(async () => {
    tool = await makeTracedTool();
    galaxy = await startGalaxy({
      handlers: [],
      tools: tool.tools,
      galaxy: { handler_lease: 1.5, job_poison_limit: 5 },
      jobs: {
        execution: {
          default: "local",
          environments: {
            local: { runner: "local" },
            once_more: { runner: "local", resubmit: [{ condition: "attempt < 2", environment: "local" }] },
          },
        },
        tools: [{ id: "poisonous", environment: "once_more" }],
      },
    });
  });
  after(() => galaxy?.stop());

  const submit = async (inputs: Record<string, unknown>, toolId = "traced") => {
    const body = { tool_id: toolId, inputs: { number, code: 0, gated: false, ...inputs } };
    const { jobs, outputs } = await galaxy.api("/api/tools", { body });
    return { job: jobs[0].id as string, output: outputs[0].id as string };
  };
  const pool = ["job-handlers"];
  const armed = (name: string, point: FaultPoint) =>
    galaxy.spawnHandler(name, pool, { GALAXY_FAULT_POINT: point });
  const died = async (handler: Daemon) => {
    const deadline = setTimeout(() => handler.child.kill("SIGABRT"), 60_000);
    const end = await handler.stop("SIGCONT");
    clearTimeout(deadline);
    if (end !== "SIGKILL") throw new Error(`${handler.name} ended with ${end}:\n${handler.lines.join("\n")}`);
  };
  const ended = (job: string) => galaxy.job(job, ["ok", "error", "deleted"], 60_000);

  /** Brings a handler to the point, where it dies. @returns the job, and the state that it must end with */
  const play: Record<
    Scenario,
    (
      point: FaultPoint,
      names: { victim: string },
    ) => Promise<{ job: string; output: string; state: string; runs?: number }>
  > = {
    resubmission: async (point, { victim }) => {
      const handler = armed(victim, point);
      const submitted = await submit({ code: 3 }, "poisonous");
      await died(handler);
      return { ...submitted, state: "error", runs: 2 };
    },
    life: async (point, { victim }) => {
      const handler = armed(victim, point);
      // Both ends are met at each kind of point.
      const code = number % 4 < 2 || point.startsWith("clean-up") ? 0 : 3;
      const submitted = await submit({ code });
      await died(handler);
      return { ...submitted, state: code === 0 ? "ok" : "error" };
    },
    deletion: async (point, { victim }) => {
      const handler = armed(victim, point);
      const submitted = await submit({ gated: true });
      await galaxy.job(submitted.job, ["running"], 90_000);
      await started();
      await galaxy.api(`/api/jobs/${submitted.job}`, { method: "DELETE" });
      await died(handler);
      return { ...submitted, state: "deleted" };
    },
    "stop-early": async (point, { victim }) => {
      const handler = armed(victim, point);
      const submitted = await submit({}, "slow_to_prepare");
      await galaxy.job(submitted.job, ["queued"], 90_000);
      handler.child.kill("SIGTERM");
      await died(handler);
      return { ...submitted, state: "ok" };
    },
    stop: async (point, { victim }) => {
      const handler = armed(victim, point);
      const submitted = await submit({ gated: true });
      await galaxy.job(submitted.job, ["running"], 90_000);
      await started();
      handler.child.kill("SIGTERM");
      await died(handler);
      await tool.open(number);
      return { ...submitted, state: "ok" };
    },
    "take-over": async (point, { victim }) => {
      const first = galaxy.spawnHandler(`${victim}_first`, pool);
      const submitted = await submit({ gated: true });
      await galaxy.job(submitted.job, ["running"], 90_000);
      await started();
      await first.stop("SIGKILL");
      await died(armed(victim, point));
      await tool.open(number);
      return { ...submitted, state: "ok" };
    },
    requeue: async (point, { victim }) => {
      const first = armed(`${victim}_first`, "prepare.folders:after");
      const submitted = await submit({});
      await died(first);
      await died(armed(victim, point));
      return { ...submitted, state: "ok" };
    },
  };
  const started = () =>
    until(async () => ((await tool.runs()).get(number) ?? 0) > 0, {
      what: `the run ${number} to begin`,
      deadline: 60_000,
    });

  for (const [index, point] of faultPoints.entries()) {
    const [step] = point.split(":") as [FaultStep];
    // A restart under the same name begins at once, a neighbour when the lease is over: both are tried at each kind of point.
    const heir = index % 2 === 0 ? "its next start" : "a neighbour";
    it(`${point}: ${heir} brings the job to its exact end, and it has run as often as it should`, async () => {
      number = index;
      const victim = `victim${index}`;
      const { job, output, state, runs = 1 } = await play[scenarios[step]](point, { victim });
      const rescuer = galaxy.spawnHandler(heir === "its next start" ? victim : `heir${index}`, pool);
      await rescuer.line(/job\.registered/, 90_000);
      const found = await ended(job);
      expect(found.state, rescuer.lines.join("\n")).to.equal(state);
      expect((await tool.runs()).get(number), "runs").to.equal(runs);
      if (state !== "deleted") {
        expect(found.exit_code).to.equal(state === "ok" ? 0 : 3);
        expect(found.tool_stdout).to.equal(`said ${number}\n`);
      }
      if (state === "ok")
        expect(await galaxy.api(`/api/datasets/${output}/display`)).to.equal(`number ${number}`);
      const ends = await galaxy.database.sql<{ count: number }[]>`
        select count(*)::int as count from job_state_history where state in ('ok', 'error', 'deleted') group by job_id
        having count(*) <> 1`;
      expect([...ends], "jobs that ended more than once").to.deep.equal([]);
      expect(await rescuer.stop("SIGTERM")).to.equal(0);
    });
  }
});
