import { rm } from "node:fs/promises";
import { Router } from "express";
import { z } from "zod";
import { datasetPath, deleteDataset, listDatasets } from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "../api-error.ts";
import { requireCaller, requireUser } from "../authenticate.ts";
import { contentOf } from "../datatypes.ts";
import { decodeId, ownedDataset } from "../owned.ts";
import { dataset } from "../represent.ts";
import type { WebContext } from "../web-context.ts";

const paging = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(500),
  offset: z.coerce.number().int().min(0).default(0),
});

export function datasetRoutes(context: WebContext): Router {
  const router = Router();
  const { database, ids } = context;

  router.get("/api/datasets", async (request, response) => {
    const { user } = await requireUser(context, request);
    const parsed = paging.safeParse(request.query);
    if (!parsed.success) throw new ApiError(codes.invalid, z.prettifyError(parsed.error));
    const rows = await listDatasets(database, { userId: user.id, ...parsed.data });
    response.json(rows.map((row) => dataset(ids, row)));
  });

  router.get("/api/datasets/:id", async (request, response) => {
    const caller = await requireCaller(context, request);
    response.json(
      dataset(ids, await ownedDataset(context, caller, decodeId(context, "dataset", request.params.id))),
    );
  });

  router.get(
    ["/api/datasets/:id/display", "/api/histories/:history/contents/:id/display"],
    async (request, response) => {
      const caller = await requireCaller(context, request);
      const row = await ownedDataset(context, caller, decodeId(context, "dataset", request.params["id"]));
      if (row.purged) throw new ApiError(codes.notFound, "this dataset's file was removed");
      if (row.state !== "ok" && row.state !== "empty" && row.state !== "error") {
        throw new ApiError(codes.conflict, `this dataset is ${row.state}; there is nothing to download yet`);
      }
      const { type, inline } = contentOf(row.extension);
      const fileName = `Galaxy${row.hid}-[${row.name}].${row.extension}`;
      response.set({
        "content-type": type,
        "content-disposition": `${inline && request.query["preview"] === "true" ? "inline" : "attachment"}; ${fileNameOf(fileName)}`,
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
      });
      const path = datasetPath(context.config.fileDirectory, row.uuid);
      await new Promise<void>((resolve, reject) => {
        response.sendFile(
          path,
          { acceptRanges: true, dotfiles: "allow" },
          (error?: NodeJS.ErrnoException & { status?: number }) => {
            if (error === undefined || error === null || error.code === "ECONNABORTED" || response.destroyed)
              resolve();
            else if (error.code === "ENOENT" || error.status === 404)
              reject(new ApiError(codes.notFound, "this dataset has no file"));
            else if (error.status === 416) reject(new ApiError(416_001, "the range lies outside the file"));
            else reject(error);
          },
        );
      });
    },
  );

  router.delete("/api/datasets/:id", async (request, response) => {
    const caller = await requireCaller(context, request);
    const row = await ownedDataset(context, caller, decodeId(context, "dataset", request.params.id));
    const purge =
      request.query["purge"] === "true" || (request.body as { purge?: unknown } | undefined)?.purge === true;
    await deleteDataset(database, row.id, purge);
    if (purge) await rm(datasetPath(context.config.fileDirectory, row.uuid), { force: true });
    response.json(dataset(ids, { ...row, deleted: true, purged: purge }));
  });

  return router;
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
