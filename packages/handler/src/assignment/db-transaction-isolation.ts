import { setTimeout as sleep } from "node:timers/promises";
import {
  claimJobsSerializably,
  isPassingConflict,
  type ClaimedJob,
  type ClaimRequest,
  type Database,
} from "@galaxy-jobs/shared-db";
import { defaultTag, type AssignmentMethod } from "./assignment.ts";

/** Conflicts after which a claim leaves it to the next round. */
const mostTries = 5;
/** Longest first pause after a conflict, ms; it doubles. */
const firstPause = 10;

/**
 * The job carries a tag; the handlers that listen to it take it in serializable transactions, of which PostgreSQL lets one
 * have a row and fails the others (galaxy.md 2.3, 2.4). Those try again after a random pause, so that they do not meet again.
 */
export const dbTransactionIsolation: AssignmentMethod = {
  name: "db-transaction-isolation",
  assign: ({ configured }) => {
    const handler = configured ?? defaultTag;
    return Promise.resolve({ method: "db-transaction-isolation", handler, assignedHandler: handler });
  },
  claim: async (database: Database, request: ClaimRequest): Promise<ClaimedJob[]> => {
    for (let tries = 1; tries <= mostTries; tries += 1) {
      try {
        return await claimJobsSerializably(database, request);
      } catch (error) {
        if (!isPassingConflict(error)) throw error;
        await sleep(Math.random() * firstPause * 2 ** tries);
      }
    }
    return [];
  },
};
