import { z } from "zod";
import { createHistory, ensureDefaultHistory, listDatasets, listHistories } from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import { historyId, ownedHistory } from "../owned.ts";
import { dataset, history } from "../represent.ts";
import { datasetAnswer, historyAnswer } from "../schemas/data.ts";
import { text } from "../schemas/fields.ts";
import type { WebContext } from "../web-context.ts";

/** Histories, which datasets belong to (galaxy.md 6.5). */
export function historyRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;

  api.get(
    "/api/histories",
    { tag: "histories", summary: "Your histories", access: "user", answer: z.array(historyAnswer) },
    async ({ caller }) => (await listHistories(database, caller.user.id)).map((row) => history(ids, row)),
  );

  api.post(
    "/api/histories",
    {
      tag: "histories",
      summary: "Make a history",
      access: "user",
      body: z.strictObject({ name: text(255).min(1).default("Unnamed history") }),
      answer: historyAnswer,
    },
    async ({ caller, body }) => history(ids, await createHistory(database, caller.user.id, body.name)),
  );

  api.get(
    "/api/histories/most_recently_used",
    {
      tag: "histories",
      summary: "The history that was used last",
      access: "user",
      answer: historyAnswer,
    },
    async ({ caller }) => {
      const [newest] = await listHistories(database, caller.user.id);
      return history(ids, newest ?? (await ensureDefaultHistory(database, caller.user.id)));
    },
  );

  api.get(
    "/api/histories/{id}",
    { tag: "histories", summary: "A history", access: "caller", params: historyId, answer: historyAnswer },
    async ({ caller, params }) => history(ids, await ownedHistory(context, caller, params.id)),
  );

  api.get(
    "/api/histories/{id}/contents",
    {
      tag: "histories",
      summary: "A history's datasets, oldest first",
      access: "caller",
      params: historyId,
      answer: z.array(datasetAnswer),
    },
    async ({ caller, params }) => {
      const row = await ownedHistory(context, caller, params.id);
      if (row.userId === null) return [];
      const contents = await listDatasets(database, {
        userId: row.userId,
        historyId: row.id,
        limit: 1_000,
        offset: 0,
      });
      return contents.toReversed().map((item) => dataset(ids, item));
    },
  );
}
