import type { Request } from "express";
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
import { requireCaller } from "./authenticate.ts";
import type { Caller, WebContext } from "./web-context.ts";

/** @throws ApiError for an id that this instance never made */
export function decodeId(context: WebContext, kind: IdKind, encoded: unknown): number {
  const id = typeof encoded === "string" ? context.ids.decode(kind, encoded) : undefined;
  if (id === undefined)
    throw new ApiError(
      codes.malformedId,
      `Malformed id ( ${String(encoded).slice(0, 64)} ) specified, unable to decode`,
    );
  return id;
}

/** The job of a request, if the caller may see it. @throws ApiError */
export async function ownedJob(
  context: WebContext,
  request: Request,
): Promise<{ job: JobRow; caller: Caller }> {
  const caller = await requireCaller(context, request);
  const job = await findJob(context.database, decodeId(context, "job", request.params["id"]));
  if (job === undefined) throw new ApiError(codes.notFound, "there is no such job");
  mustOwn(caller, job.userId, "job");
  return { job, caller };
}

export async function ownedDataset(
  context: WebContext,
  caller: Caller,
  id: number,
): Promise<HistoryDatasetRow> {
  const row = await findDataset(context.database, id);
  if (row === undefined) throw new ApiError(codes.notFound, "there is no such dataset");
  mustOwn(caller, row.userId, "dataset");
  return row;
}

export async function ownedHistory(context: WebContext, caller: Caller, id: number): Promise<HistoryRow> {
  const row = await findHistory(context.database, id);
  if (row === undefined) throw new ApiError(codes.notFound, "there is no such history");
  mustOwn(caller, row.userId, "history");
  return row;
}

function mustOwn(caller: Caller, owner: number | null, what: string): void {
  if (caller.isAdmin || (caller.user !== undefined && owner === caller.user.id)) return;
  throw new ApiError(codes.noAccess, `this ${what} belongs to somebody else`);
}
