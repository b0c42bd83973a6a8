import type { NewJob } from "@galaxy-jobs/shared-db";

/** A job of nobody, without inputs and outputs, for any handler of the default pool; `over` says what it is about. */
export function newJob(over: Pick<NewJob, "historyId"> & Partial<NewJob>): NewJob {
  return {
    userId: null,
    toolId: "t",
    toolVersion: "1",
    galaxyVersion: "0",
    params: {},
    handler: "_default_",
    assignedHandler: "_default_",
    inputs: [],
    outputs: [],
    ...over,
  };
}
