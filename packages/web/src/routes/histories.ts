import { Router } from "express";
import { z } from "zod";
import { createHistory, ensureDefaultHistory, listDatasets, listHistories } from "@galaxy-jobs/shared-db";
import { requireCaller, requireUser } from "../authenticate.ts";
import { decodeId, ownedHistory } from "../owned.ts";
import { readBody } from "../read-body.ts";
import { dataset, history } from "../represent.ts";
import type { WebContext } from "../web-context.ts";

export function historyRoutes(context: WebContext): Router {
  const router = Router();
  const { database, ids } = context;

  router.get("/api/histories", async (request, response) => {
    const { user } = await requireUser(context, request);
    response.json((await listHistories(database, user.id)).map((row) => history(ids, row)));
  });

  router.post("/api/histories", async (request, response) => {
    const { user } = await requireUser(context, request);
    const { name } = readBody(
      z.strictObject({ name: z.string().min(1).max(255).default("Unnamed history") }),
      request,
    );
    response.json(history(ids, await createHistory(database, user.id, name)));
  });

  router.get("/api/histories/most_recently_used", async (request, response) => {
    const { user } = await requireUser(context, request);
    const [newest] = await listHistories(database, user.id);
    response.json(history(ids, newest ?? (await ensureDefaultHistory(database, user.id))));
  });

  router.get("/api/histories/:id", async (request, response) => {
    const caller = await requireCaller(context, request);
    response.json(
      history(ids, await ownedHistory(context, caller, decodeId(context, "history", request.params.id))),
    );
  });

  router.get("/api/histories/:id/contents", async (request, response) => {
    const caller = await requireCaller(context, request);
    const row = await ownedHistory(context, caller, decodeId(context, "history", request.params.id));
    const contents =
      row.userId === null
        ? []
        : await listDatasets(database, { userId: row.userId, historyId: row.id, limit: 1_000, offset: 0 });
    response.json(contents.toReversed().map((item) => dataset(ids, item)));
  });

  return router;
}
