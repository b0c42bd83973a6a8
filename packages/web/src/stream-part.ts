import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";
import {
  jobDirectory,
  readStreamChunk,
  storedStreamChunk,
  streamFile,
  type StreamChunk,
} from "@galaxy-jobs/handler";
import { isTerminal, type JobRow } from "@galaxy-jobs/shared-db";
import type { WebContext } from "./web-context.ts";

export type StreamName = "stdout" | "stderr";

/** A part of a job's stream: of its file while the job is under way, of its row when it has ended. Positions mean the same in both. */
export async function streamPart(
  context: WebContext,
  job: JobRow,
  stream: StreamName,
  position: number,
  length: number,
): Promise<StreamChunk> {
  if (isTerminal(job.state)) return storedStreamChunk(storedStream(job, stream), position, length);
  const path = growingFile(context, job, stream);
  return path === undefined
    ? { text: "", start: position, end: position }
    : readStreamChunk(path, position, length);
}

/** The whole stream as it is now, however long. */
export async function sendStream(
  context: WebContext,
  job: JobRow,
  stream: StreamName,
  response: Response,
): Promise<void> {
  const path = isTerminal(job.state) ? undefined : growingFile(context, job, stream);
  const size = path === undefined ? 0 : await sizeOf(path);
  if (path === undefined || size === 0) {
    response.send(storedStream(job, stream));
    return;
  }
  // Not what is written meanwhile: a job that writes faster than the client reads would never end.
  const file = createReadStream(path, { end: size - 1 });
  await pipeline(file, response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  });
}

function storedStream(job: JobRow, stream: StreamName): string {
  return (stream === "stdout" ? job.toolStdout : job.toolStderr) ?? "";
}

function growingFile({ config }: WebContext, job: JobRow, stream: StreamName): string | undefined {
  if (job.runFence === null) return undefined;
  return streamFile(jobDirectory(config.jobWorkingDirectory, job.id, job.runFence), stream);
}

async function sizeOf(path: string): Promise<number> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return 0;
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}
