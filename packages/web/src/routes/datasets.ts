import { access, rm } from "node:fs/promises";
import type { Response } from "express";
import { z } from "zod";
import {
  datasetPath,
  deleteDataset,
  findDataset,
  listDatasets,
  outputsAreDeleted,
  type HistoryDatasetRow,
} from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "../api-error.ts";
import type { ApiRoutes } from "../api-routes.ts";
import { endJob } from "../end-job.ts";
import { contentOf } from "../datatypes.ts";
import { datasetId, decodeId, ownedDataset } from "../owned.ts";
import { dataset } from "../represent.ts";
import { datasetAnswer } from "../schemas/data.ts";
import { encodedId, flag, wholeNumber } from "../schemas/fields.ts";
import type { WebContext } from "../web-context.ts";

const displayQuery = z.object({
  preview: flag.default(false).meta({ description: "Shown by a browser where that is safe." }),
});
const file = {
  contentType: "application/octet-stream",
  description: "The file, or the range that was asked for; by its datatype text/plain, an image, …",
};

/** Datasets: the list, one of them, its file, its removal (galaxy.md 6.5). */
export function datasetRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;

  api.get(
    "/api/datasets",
    {
      tag: "datasets",
      summary: "Your datasets, newest first",
      access: "user",
      query: z.object({
        limit: wholeNumber(500, { min: 1, max: 1_000 }),
        offset: wholeNumber(0),
      }),
      answer: z.array(datasetAnswer),
    },
    async ({ caller, query }) => {
      const rows = await listDatasets(database, { userId: caller.user.id, ...query });
      return rows.map((row) => dataset(ids, row));
    },
  );

  api.get(
    "/api/datasets/{id}",
    { tag: "datasets", summary: "A dataset", access: "caller", params: datasetId, answer: datasetAnswer },
    async ({ caller, params }) => dataset(ids, await ownedDataset(context, caller, params.id)),
  );

  api.get(
    "/api/datasets/{id}/display",
    {
      tag: "datasets",
      summary: "A dataset's file",
      access: "caller",
      params: datasetId,
      query: displayQuery,
      answer: file,
      statuses: { 206: "A part of the file", 416: "The range lies outside the file" },
    },
    async ({ caller, params, query, response }) =>
      sendDataset(context, await ownedDataset(context, caller, params.id), query.preview, response),
  );

  api.get(
    "/api/histories/{history}/contents/{id}/display",
    {
      tag: "datasets",
      summary: "A dataset's file",
      access: "caller",
      params: datasetId.extend({ history: encodedId }),
      query: displayQuery,
      answer: file,
      statuses: { 206: "A part of the file", 416: "The range lies outside the file" },
    },
    async ({ caller, params, query, response }) => {
      const row = await ownedDataset(context, caller, params.id);
      if (row.historyId !== decodeId(context, "history", params.history))
        throw new ApiError(codes.notFound, "this history has no such dataset");
      await sendDataset(context, row, query.preview, response);
    },
  );

  api.delete(
    "/api/datasets/{id}",
    {
      tag: "datasets",
      summary: "Delete a dataset",
      description:
        "purge, in the query or the body, removes its file at once. A job all of whose outputs are deleted is ended.",
      access: "caller",
      params: datasetId,
      query: z.object({ purge: flag.default(false) }),
      body: z.strictObject({ purge: z.boolean().default(false) }),
      answer: datasetAnswer,
    },
    async ({ caller, params, query, body }) => {
      const row = await ownedDataset(context, caller, params.id);
      const purge = query.purge || body.purge;
      await database.begin((sql) => deleteDataset(sql, row.id, purge));
      if (purge) await rm(datasetPath(context.config.fileDirectory, row.uuid), { force: true });
      const job = row.creatingJobId;
      if (job !== null && (await outputsAreDeleted(database, job))) await endJob(context, job);
      return dataset(ids, (await findDataset(database, row.id))!);
    },
  );
}

async function sendDataset(
  context: WebContext,
  row: HistoryDatasetRow,
  preview: boolean,
  response: Response,
): Promise<void> {
  if (row.purged) throw new ApiError(codes.notFound, "this dataset's file was removed");
  if (row.state !== "ok" && row.state !== "empty" && row.state !== "error")
    throw new ApiError(codes.conflict, `this dataset is ${row.state}; there is nothing to download yet`);
  const { type, inline } = contentOf(row.extension);
  const isShown = inline && preview;
  const fileName = `Galaxy${row.hid}-[${row.name}].${row.extension}`;
  response.set({
    "content-type": type,
    "content-disposition": `${isShown ? "inline" : "attachment"}; ${fileNameOf(fileName)}`,
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",
  });
  const path = datasetPath(context.config.fileDirectory, row.uuid);
  const { fileHandover } = context.config;
  // A proxy drops the headers that make it safe to show a file.
  if (fileHandover === undefined || isShown) await sendFile(response, path);
  else await handOver(response, path, fileHandover);
}

/** The proxy sends the file, with our headers, and minds ranges itself; a file that is not there is our own answer. */
async function handOver(
  response: Response,
  path: string,
  { header, prefix }: NonNullable<WebContext["config"]["fileHandover"]>,
): Promise<void> {
  await access(path).catch(() => {
    throw new ApiError(codes.notFound, "this dataset has no file");
  });
  // nginx decodes what it is told, Apache does not.
  response.set(header, header === "x-accel-redirect" ? prefix + encodeURI(path) : path).end();
}

interface SendError extends NodeJS.ErrnoException {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

function sendFile(response: Response, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    response.sendFile(path, { acceptRanges: true, dotfiles: "allow" }, (error?: SendError) => {
      if (error === undefined || error === null || error.code === "ECONNABORTED" || response.destroyed)
        resolve();
      else if (error.code === "ENOENT" || error.status === 404)
        reject(new ApiError(codes.notFound, "this dataset has no file"));
      else if (error.status === 416) {
        // Says how long the file is.
        response.set(error.headers ?? {});
        reject(new ApiError(codes.rangeOutside, "the range lies outside the file"));
      } else reject(error);
    });
  });
}

/** RFC 6266: a plain name for old clients, the exact one in UTF-8. */
function fileNameOf(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._[\]-]/g, "_");
  const exact = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `filename="${plain}"; filename*=UTF-8''${exact}`;
}
