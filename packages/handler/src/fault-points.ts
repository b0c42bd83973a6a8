/**
 * Fault points: places before and after each statement and each file operation of a job's life where a test can make the
 * handler die, pause or block. `GALAXY_FAULT_POINT=<step>:<before|after>[@tool][#n]` arms one, at the nth time (default the
 * first) and only for jobs of the tool where one is named. Unarmed they cost a comparison.
 */

/** Every statement and file operation of a job's life, in its order. */
export const faultSteps = [
  "claim",
  "queue",
  "prepare.directory",
  "prepare.folders",
  "prepare.config-file",
  "prepare.tool-script",
  "prepare.job-script",
  "start",
  "mark-running",
  "write",
  "collect.streams",
  "resubmit",
  "collect.output",
  "finish",
  "clean-up",
  "stop.run",
  "give-back",
  "deregister",
  "take-over",
  "adopt",
  "recover.close",
  "recover.run",
  "requeue",
] as const;

export type FaultStep = (typeof faultSteps)[number];
export type FaultPoint = `${FaultStep}:${"before" | "after"}`;

export const faultPoints: readonly FaultPoint[] = faultSteps.flatMap(
  (step) => [`${step}:before`, `${step}:after`] as const,
);

/** Called at each point, with the tool of the job that is at it where there is one. */
export type Fault = (point: FaultPoint, toolId?: string) => void;

/** Does a step, between its two points. */
export function atStep<T>(
  fault: Fault | undefined,
  step: FaultStep,
  work: () => Promise<T>,
  toolId?: string,
): Promise<T> {
  return fault === undefined ? work() : faulty(fault, step, work, toolId);
}

async function faulty<T>(
  fault: Fault,
  step: FaultStep,
  work: () => Promise<T>,
  toolId: string | undefined,
): Promise<T> {
  fault(`${step}:before`, toolId);
  const result = await work();
  fault(`${step}:after`, toolId);
  return result;
}

/**
 * @param armed the value of GALAXY_FAULT_POINT
 * @param action GALAXY_FAULT_ACTION: `kill` (the default), `stop` (SIGSTOP), or `block=<ms>`, which keeps the main loop busy
 * @throws Error for a point or an action that does not exist
 */
export function armFault(armed: string | undefined, action: string | undefined): Fault | undefined {
  if (armed === undefined || armed === "") return undefined;
  const [, point, tool, count] = /^([^@#]+)(?:@([^#]+))?(?:#(\d+))?$/.exec(armed) ?? [];
  if (!faultPoints.some((known) => known === point))
    throw new Error(`GALAXY_FAULT_POINT: there is no point ${armed}; there are ${faultPoints.join(", ")}`);
  const strike = striker(action ?? "kill");
  let left = Number(count ?? 1);
  return (reached, toolId) => {
    if (reached !== point || (tool !== undefined && tool !== toolId)) return;
    left -= 1;
    if (left === 0) strike();
  };
}

function striker(action: string): () => void {
  if (action === "kill") return () => process.kill(process.pid, "SIGKILL");
  if (action === "stop") return () => process.kill(process.pid, "SIGSTOP");
  const [, milliseconds] = /^block=(\d+)$/.exec(action) ?? [];
  if (milliseconds === undefined) throw new Error(`GALAXY_FAULT_ACTION: there is no action ${action}`);
  return () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(milliseconds));
}
