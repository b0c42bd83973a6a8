import type { Response } from "express";
import { z } from "zod";
import { jobChangesAfter, type JobChange } from "@galaxy-jobs/shared-db";
import type { ApiRoutes } from "../api-routes.ts";
import { time } from "../represent.ts";
import { flag } from "../schemas/fields.ts";
import type { WebContext } from "../web-context.ts";

/** A comment this often keeps proxies from closing a quiet stream, ms. */
const heartbeat = 15_000;
/** A client that reads slower than this many bytes behind is let go; it comes back and asks from its last event. */
const mostBuffered = 1_048_576;
const replayBatch = 1_000;
/** Who was away for longer reads the list of jobs instead. */
const mostReplayed = 10_000;

/** GET /api/events: state changes of the caller's jobs as server-sent events, replayed from Last-Event-ID. */
export function eventRoutes(api: ApiRoutes, context: WebContext): void {
  api.get(
    "/api/events",
    {
      tag: "jobs",
      summary: "State changes of your jobs, as they happen",
      description:
        "Server-sent events of the type job: {id, state, tool_id, update_time}. The header Last-Event-ID replays what was missed.",
      access: "caller",
      query: z.object({ all: flag.default(false).meta({ description: "Administrators: of all users." }) }),
      answer: { contentType: "text/event-stream", description: "Goes on until the client ends it." },
    },
    async ({ request, response, caller, query }) => {
      const everybody = caller.isAdmin && (query.all || caller.user === undefined);
      const userId = everybody ? undefined : caller.user?.id;
      response.set({
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      if (request.method === "HEAD") {
        response.end();
        return;
      }
      const write = writer(context, response);
      const early: JobChange[] = [];
      let live = (change: JobChange) => void early.push(change);
      const listening = context.feed.listen((change) => {
        if (everybody || change.userId === userId) live(change);
      });
      let timer: NodeJS.Timeout | undefined;
      response.once("close", () => {
        listening.stop();
        clearTimeout(timer);
      });
      // Whoever sees the stream open and then reads the list of jobs misses nothing.
      await listening.started;
      response.flushHeaders();
      response.write("retry: 2000\n\n");
      const replayed = await replay(context, request.get("last-event-id"), userId, write);
      live = (change) => {
        if (!replayed.has(change.id)) write(change);
      };
      for (const change of early) live(change);
      if (response.destroyed) return;
      timer = setTimeout(function beat() {
        response.write(": still here\n\n");
        timer = setTimeout(beat, heartbeat);
      }, heartbeat);
    },
  );
}

function writer({ ids }: WebContext, response: Response): (change: JobChange) => void {
  return (change) => {
    const data = {
      id: ids.encode("job", change.jobId),
      state: change.state,
      tool_id: change.toolId,
      update_time: time(change.createTime),
    };
    response.write(`id: ${change.id}\nevent: job\ndata: ${JSON.stringify(data)}\n\n`);
    if (response.writableLength > mostBuffered) response.destroy();
  };
}

/** @returns the ids of what was written */
async function replay(
  { database }: WebContext,
  lastEventId: string | undefined,
  userId: number | undefined,
  write: (change: JobChange) => void,
): Promise<Set<number>> {
  const replayed = new Set<number>();
  let last = /^\d{1,15}$/.test(lastEventId ?? "") ? Number(lastEventId) : undefined;
  while (last !== undefined && replayed.size < mostReplayed) {
    const changes = await jobChangesAfter(database, last, replayBatch, userId);
    for (const change of changes) {
      replayed.add(change.id);
      write(change);
    }
    last = changes.length < replayBatch ? undefined : changes.at(-1)!.id;
  }
  return replayed;
}
