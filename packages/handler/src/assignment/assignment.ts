/** What assignment decided for one job: where its row points before it is written (galaxy.md 2.3). */
export interface Assignment {
  /** A handler id, or a tag that handlers listen to. */
  readonly handler: string;
}

export interface AssignmentRequest {
  /** The name of the process that creates the job. */
  readonly serverName: string;
  /** Handler id or tag that the tool is mapped to, or the default of job_conf. */
  readonly configured: string | undefined;
}

/** One of Galaxy's handler assignment methods, as the process that creates a job sees it. */
export interface AssignmentMethod {
  readonly name: string;
  /** @returns undefined when this method cannot serve the request and the next one shall be tried */
  assign(request: AssignmentRequest): Assignment | undefined;
}

/** The tag of handlers without tags (galaxy.md 1.1). */
export const defaultTag = "_default_";
