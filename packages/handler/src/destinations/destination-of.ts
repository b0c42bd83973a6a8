import type { Destination, JobConfig } from "@galaxy-jobs/runtime";
import type { JobRow } from "@galaxy-jobs/shared-db";

/**
 * The destination that a job was given, as its row has it: with the runner and parameters of that time, also where job_conf
 * has changed or a rule made it. Undefined for a job that has none yet.
 */
export function destinationOf(config: JobConfig, job: JobRow): Destination | undefined {
  const { destinationId: id, jobRunnerName: runner, destinationParams: params } = job;
  if (id === null || runner === null) return undefined;
  const known = Object.hasOwn(config.destinations, id) ? config.destinations[id] : undefined;
  return {
    ...(known ?? { tags: [], env: [], resubmit: [] }),
    id,
    runner,
    params: params ?? known?.params ?? {},
  };
}
