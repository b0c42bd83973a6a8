import {
  inputsOfJobs,
  outputsOfJobs,
  type Database,
  type JobInput,
  type JobOutput,
} from "@galaxy-jobs/shared-db";
import { Coalesced } from "./coalesced.ts";

/** Jobs whose datasets are read in one statement at most. */
const mostAtOnce = 1000;

/** Reads the datasets of jobs as they are now; what several jobs ask at about the same time is one statement. */
export class JobFilesReader {
  readonly #inputs: Coalesced<number, JobInput[]>;
  readonly #outputs: Coalesced<number, JobOutput[]>;

  constructor(database: Database) {
    const ofEach =
      <Row>(read: (sql: Database, ids: readonly number[]) => Promise<Map<number, Row[]>>) =>
      async (ids: readonly number[]) => {
        const found = await read(database, ids);
        return ids.map((id) => found.get(id) ?? []);
      };
    this.#inputs = new Coalesced(ofEach(inputsOfJobs), mostAtOnce);
    this.#outputs = new Coalesced(ofEach(outputsOfJobs), mostAtOnce);
  }

  inputs(jobId: number): Promise<JobInput[]> {
    return this.#inputs.ask(jobId);
  }

  outputs(jobId: number): Promise<JobOutput[]> {
    return this.#outputs.ask(jobId);
  }
}
