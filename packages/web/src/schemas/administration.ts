import { z } from "zod";
import { encodedId, time } from "./fields.ts";
import { jobState } from "./job.ts";

export const handlerAnswer = z
  .strictObject({
    server_name: z.string(),
    live: z.boolean().meta({ description: "It gives signs of life." }),
    hostname: z.string().nullable(),
    pid: z.int().nullable(),
    tags: z.array(z.string()),
    version: z.string().nullable(),
    start_time: time.nullable(),
    heartbeat_time: time.nullable(),
    heartbeat_age: z.number().nullable().meta({ description: "Seconds." }),
    end_time: time.nullable(),
    end_reason: z.string().nullable(),
    drained: z
      .strictObject({ since: time, by: z.string() })
      .nullable()
      .meta({ description: "null: it takes jobs." }),
    jobs: z.strictObject({
      claimed: z.int(),
      queued: z.int(),
      running: z.int(),
      ending: z.int(),
      assigned: z.int().meta({ description: "Wait for this very handler, and are not claimed." }),
    }),
  })
  .meta({ id: "Handler" });

const seconds = z.number().nullable();

export const handlerWithJobs = handlerAnswer
  .extend({
    remaining: z.array(
      z.strictObject({
        id: encodedId,
        tool_id: z.string(),
        state: jobState,
        user_email: z.string().nullable(),
        held: z.boolean().meta({ description: "false: assigned to its name, and not claimed." }),
        elapsed: z.number().meta({ description: "Seconds since its start, or its creation." }),
        remaining: seconds.meta({ description: "Seconds to its usual end; null when that is not known." }),
        handed_to: z.string().nullable().meta({ description: "Handler or tag that it is offered to." }),
        wait_reason: z.string().nullable(),
      }),
    ),
    remaining_truncated: z.boolean(),
    estimate: z.strictObject({
      empty_in: seconds.meta({
        description: "Seconds until it is usually empty; null when nothing is known.",
      }),
      unknown: z.int().meta({ description: "Jobs under way of unknown length." }),
      stuck: z.int().meta({ description: "Jobs that wait for it alone." }),
    }),
  })
  .meta({ id: "HandlerWithJobs" });

export const drainedAnswer = z
  .strictObject({
    changed: z.boolean().meta({ description: "false: it was drained already." }),
    drain_time: time,
    drained_by: z.string(),
    given_back: z.int().meta({ description: "Jobs that it had claimed and not started." }),
  })
  .meta({ id: "DrainedHandler" });

export const reassignedAnswer = z
  .strictObject({
    to: z.string(),
    moved: z.int(),
    offered: z.int().meta({ description: "Jobs under way that the new handler may take while they run." }),
    notes: z.array(z.string()),
  })
  .meta({ id: "ReassignedJobs" });

export const poolAnswer = z
  .strictObject({
    tag: z.string().nullable().meta({ description: "null: a message gives the job to a mule." }),
    jobs_waiting: z.int(),
    handlers: z.array(z.string()),
    drained: z.array(z.string()).meta({ description: "Those of the handlers that are drained." }),
  })
  .meta({ id: "Pool" });

export const anybodysJob = z
  .strictObject({
    id: encodedId,
    tool_id: z.string(),
    state: jobState,
    handler: z.string().nullable(),
    user_email: z.string().nullable(),
    create_time: time,
    update_time: time,
    exit_code: z.int().nullable(),
    info: z.string().nullable(),
  })
  .meta({ id: "AnybodysJob" });

export const maintenanceRun = z
  .strictObject({
    task: z.string(),
    server_name: z.string(),
    hostname: z.string(),
    start_time: time,
    end_time: time.nullable(),
    outcome: z.enum(["done", "failed", "lost"]).nullable(),
    counts: z.record(z.string(), z.number()),
    error: z.string().nullable(),
  })
  .meta({ id: "MaintenanceRun" });

export const operatorAction = z
  .strictObject({
    create_time: time,
    actor: z.string(),
    action: z.string(),
    server_name: z.string().nullable(),
    job_id: encodedId.nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "OperatorAction" });
