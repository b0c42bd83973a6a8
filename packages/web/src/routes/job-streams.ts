import { z } from "zod";
import type { ApiRoutes } from "../api-routes.ts";
import { jobId, ownedJob } from "../owned.ts";
import { wholeNumber } from "../schemas/fields.ts";
import { consoleOutput } from "../schemas/job.ts";
import { sendStream, streamPart } from "../stream-part.ts";
import type { WebContext } from "../web-context.ts";

const length = wholeNumber(50_000, { max: 1_048_576 });
const position = wholeNumber(0);

/** What a job wrote to its standard output and error (galaxy.md 6.2). */
export function jobStreamRoutes(api: ApiRoutes, context: WebContext): void {
  for (const stream of ["stdout", "stderr"] as const) {
    api.get(
      `/api/jobs/{id}/${stream}`,
      {
        tag: "jobs",
        summary: `The job's ${stream}`,
        description:
          "All of it while the job is under way; of an ended job 32,768 bytes are kept, cut in the middle, where a line says how many bytes were left out.",
        access: "caller",
        params: jobId,
        answer: { contentType: "text/plain", description: "UTF-8; empty before the job has started." },
      },
      async ({ caller, params, response }) => {
        const job = await ownedJob(context, caller, params.id);
        response.type("text/plain").set("content-security-policy", "sandbox");
        await sendStream(context, job, stream, response);
      },
    );
  }

  api.get(
    "/api/jobs/{id}/console_output",
    {
      tag: "jobs",
      summary: "A part of both streams",
      description:
        "Positions and lengths are bytes of the whole stream, whether the job runs or has ended. A text holds whole characters, so it can be up to 3 bytes longer than asked for; ask for the next from its end. Of an ended job's long stream the middle is not kept: the text that follows starts behind it, as its start says. A start or end below the position asked for means that a new attempt has begun a new stream.",
      access: "caller",
      params: jobId,
      query: z.object({
        stdout_position: position,
        stdout_length: length,
        stderr_position: position,
        stderr_length: length,
      }),
      answer: consoleOutput,
    },
    async ({ caller, params, query }) => {
      const job = await ownedJob(context, caller, params.id);
      const [stdout, stderr] = await Promise.all([
        streamPart(context, job, "stdout", query.stdout_position, query.stdout_length),
        streamPart(context, job, "stderr", query.stderr_position, query.stderr_length),
      ]);
      return {
        state: job.state,
        stdout: stdout.text,
        stdout_start: stdout.start,
        stdout_end: stdout.end,
        stderr: stderr.text,
        stderr_start: stderr.start,
        stderr_end: stderr.end,
      };
    },
  );
}
