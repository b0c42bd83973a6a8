export { assignHandler, handlerTags, isWebHandler } from "./assignment/assign-handler.ts";
export type { Assignment } from "./assignment/assignment.ts";
export { jobDirectory, streamFile } from "./job-directory.ts";
export { JobHandler, type JobHandlerOptions } from "./job-handler.ts";
export { peek } from "./outputs.ts";
export { release } from "./release.ts";
