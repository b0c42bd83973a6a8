import { z } from "zod";
import {
  findDataset,
  findHistory,
  findJob,
  type HistoryDatasetRow,
  type HistoryRow,
  type IdKind,
  type JobRow,
} from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "./api-error.ts";
import { malformedId } from "./read-request.ts";
import { encodedId } from "./schemas/fields.ts";
import type { Caller, WebContext } from "./web-context.ts";

export const jobId = z.object({ id: encodedId });
export const datasetId = z.object({ id: encodedId });
export const historyId = z.object({ id: encodedId });
export const userId = z.object({ id: encodedId });

/** @throws ApiError for an id that this instance never made, or made for something else */
export function decodeId(context: WebContext, kind: IdKind, encoded: unknown): number {
  const id = typeof encoded === "string" ? context.ids.decode(kind, encoded) : undefined;
  if (id === undefined) throw malformedId(encoded);
  return id;
}

/** The job of an id, if the caller may see it. @throws ApiError */
export async function ownedJob(context: WebContext, caller: Caller, id: string): Promise<JobRow> {
  const job = await findJob(context.database, decodeId(context, "job", id));
  if (job === undefined) throw new ApiError(codes.notFound, "there is no such job");
  mustOwn(caller, job.userId, "job");
  return job;
}

export async function ownedDataset(
  context: WebContext,
  caller: Caller,
  id: string,
): Promise<HistoryDatasetRow> {
  const row = await findDataset(context.database, decodeId(context, "dataset", id));
  if (row === undefined) throw new ApiError(codes.notFound, "there is no such dataset");
  mustOwn(caller, row.userId, "dataset");
  return row;
}

export async function ownedHistory(context: WebContext, caller: Caller, id: string): Promise<HistoryRow> {
  const row = await findHistory(context.database, decodeId(context, "history", id));
  if (row === undefined) throw new ApiError(codes.notFound, "there is no such history");
  mustOwn(caller, row.userId, "history");
  return row;
}

function mustOwn(caller: Caller, owner: number | null, what: string): void {
  if (caller.isAdmin || (caller.user !== undefined && owner === caller.user.id)) return;
  throw new ApiError(codes.noAccess, `this ${what} belongs to somebody else`);
}
