import { Router } from "express";
import { jobChangesAfter, type JobChange } from "@galaxy-jobs/shared-db";
import { requireCaller } from "../authenticate.ts";
import { time } from "../represent.ts";
import type { WebContext } from "../web-context.ts";

/** A comment this often keeps proxies from closing a quiet stream, ms. */
const heartbeat = 15_000;
/** A client that reads slower than this many bytes behind is let go; it comes back and asks from its last event. */
const mostBuffered = 1_048_576;
const mostReplayed = 1_000;

/** GET /api/events: state changes of the caller's jobs as server-sent events, replayed from Last-Event-ID. */
export function eventRoutes(context: WebContext): Router {
  const router = Router();
  router.get("/api/events", async (request, response) => {
    const caller = await requireCaller(context, request);
    const everybody = caller.isAdmin && (request.query["all"] === "true" || caller.user === undefined);
    const mine = (change: JobChange) => everybody || change.userId === caller.user?.id;
    response.set({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    response.flushHeaders();
    response.write("retry: 2000\n\n");
    const send = (change: JobChange) => {
      if (!mine(change)) return;
      const data = {
        id: context.ids.encode("job", change.jobId),
        state: change.state,
        tool_id: change.toolId,
        update_time: time(change.createTime),
      };
      response.write(`id: ${change.id}\nevent: job\ndata: ${JSON.stringify(data)}\n\n`);
      if (response.writableLength > mostBuffered) response.destroy();
    };
    const last = Number(request.get("last-event-id") ?? Number.NaN);
    if (Number.isSafeInteger(last) && last >= 0)
      for (const change of await jobChangesAfter(context.database, last, mostReplayed)) send(change);
    const unlisten = context.feed.listen(send);
    let timer = setTimeout(function beat() {
      response.write(": still here\n\n");
      timer = setTimeout(beat, heartbeat);
    }, heartbeat);
    response.once("close", () => {
      unlisten();
      clearTimeout(timer);
    });
  });
  return router;
}
