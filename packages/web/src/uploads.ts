import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Busboy } from "@fastify/busboy";
import type { Request } from "express";
import { peek } from "@galaxy-jobs/handler";
import {
  datasetPath,
  ensureDefaultHistory,
  findDataset,
  insertDataset,
  insertEndedJob,
  linkOutput,
  type UserRow,
} from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "./api-error.ts";
import { displayName, sniffExtension } from "./datatypes.ts";
import { decodeId, ownedHistory } from "./owned.ts";
import { dataset, jobSummary } from "./represent.ts";
import type { WebContext } from "./web-context.ts";
import { findJob } from "@galaxy-jobs/shared-db";

/** A file part of a request, on disk and not yet a dataset. */
export interface ReceivedFile {
  /** Name of the form's field. */
  readonly field: string;
  /** As the client gave it: for display only. */
  readonly fileName: string;
  readonly path: string;
}

export interface Form {
  readonly fields: Readonly<Record<string, string>>;
  readonly files: readonly ReceivedFile[];
}

const mostFiles = 100;

/** Streams a multipart body to disk. Nothing stays behind when it fails or the client goes away. @throws ApiError */
export async function receiveForm(context: WebContext, request: Request): Promise<Form> {
  const folder = context.config.newFileDirectory;
  await mkdir(folder, { recursive: true });
  const limit = context.config.web.maxUploadBytes;
  const fields: Record<string, string> = {};
  const files: ReceivedFile[] = [];
  const writes: Promise<void>[] = [];
  let problem: ApiError | undefined;
  try {
    const busboy = new Busboy({
      headers: { ...request.headers, "content-type": request.headers["content-type"] ?? "" },
      limits: {
        fileSize: limit,
        fields: 1_000,
        fieldSize: context.config.web.maxBodyBytes,
        files: mostFiles,
      },
    });
    busboy.on("field", (name, value, _nameTruncated, valueTruncated) => {
      if (valueTruncated)
        problem ??= new ApiError(
          codes.tooLarge,
          `the field ${name} is larger than ${context.config.web.maxBodyBytes} bytes`,
        );
      fields[name] = value;
    });
    busboy.on("file", (field, stream, fileName) => {
      const path = join(folder, `upload-${randomUUID()}`);
      files.push({ field, fileName, path });
      const limited = () =>
        (problem ??= new ApiError(
          codes.tooLarge,
          `the file ${displayName(fileName)} is larger than this server's limit of ${limit} bytes (max_upload_size)`,
        ));
      stream.once("limit", limited);
      writes.push(pipeline(stream, createWriteStream(path, { flags: "wx" })));
    });
    busboy.once(
      "filesLimit",
      () => (problem ??= new ApiError(codes.tooLarge, `more than ${mostFiles} files in one request`)),
    );
    await pipeline(request, busboy);
    await Promise.all(writes);
    if (problem !== undefined) throw problem;
    return { fields, files };
  } catch (error) {
    await Promise.allSettled(writes);
    await discard(files);
    if (error instanceof ApiError) throw error;
    throw new ApiError(
      codes.invalid,
      `the form cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

export async function discard(files: readonly ReceivedFile[]): Promise<void> {
  await Promise.all(files.map(({ path }) => rm(path, { force: true })));
}

/** What upload1 makes a dataset of: a file that was received, or pasted text. */
export interface UploadItem {
  readonly name: string;
  readonly extension: string | undefined;
  readonly path: string;
}

/** Pasted text as a file; line ends become \n, and the last line gets one (galaxy.md 6.4). */
export async function writePasted(context: WebContext, text: string, spaceToTab: boolean): Promise<string> {
  await mkdir(context.config.newFileDirectory, { recursive: true });
  const path = join(context.config.newFileDirectory, `upload-${randomUUID()}`);
  const lines = text.replaceAll(/\r\n?/g, "\n").replace(/([^\n])$/, "$1\n");
  const file = await open(path, "wx");
  try {
    await file.writeFile(spaceToTab ? lines.replaceAll(/[ \t]+/g, "\t") : lines);
  } finally {
    await file.close();
  }
  return path;
}

/** Makes datasets of uploaded files; the web tier does this job itself, so it is over when the request is. */
export async function makeDatasets(
  context: WebContext,
  owner: { readonly user: UserRow; readonly isAdmin: boolean },
  history: string | undefined,
  items: readonly UploadItem[],
) {
  const { database, ids, config } = context;
  const historyId =
    history === undefined
      ? (await ensureDefaultHistory(database, owner.user.id)).id
      : (await ownedHistory(context, owner, decodeId(context, "history", history))).id;
  const placed = await Promise.all(items.map((item) => place(config.fileDirectory, item)));
  const { jobId, datasetIds } = await database.begin(async (sql) => {
    const job = {
      userId: owner.user.id,
      historyId,
      toolId: "upload1",
      version: context.release,
      handler: config.serverName,
    };
    const jobId = await insertEndedJob(sql, job);
    const datasetIds: number[] = [];
    for (const [index, item] of placed.entries()) {
      const state = item.size === 0 ? "empty" : "ok";
      const { id } = await insertDataset(sql, {
        historyId,
        jobId,
        state,
        name: item.name,
        extension: item.extension,
        uuid: item.uuid,
        fileSize: item.size,
        peek: item.peek,
      });
      await linkOutput(sql, jobId, id, `output${index}`);
      datasetIds.push(id);
    }
    return { jobId, datasetIds };
  });
  const outputs = await Promise.all(
    datasetIds.map(async (id, index) => ({
      ...dataset(ids, (await findDataset(database, id))!),
      output_name: `output${index}`,
    })),
  );
  const job = (await findJob(database, jobId))!;
  return {
    outputs,
    output_collections: [],
    jobs: [jobSummary(ids, job, owner.isAdmin)],
    implicit_collections: [],
    produces_entry_points: false,
  };
}

async function place(fileDirectory: string, item: UploadItem) {
  const uuid = randomUUID();
  const target = datasetPath(fileDirectory, uuid);
  await mkdir(dirname(target), { recursive: true });
  const file = await open(item.path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  const extension = item.extension ?? (await sniffExtension(item.path, item.name));
  await rename(item.path, target);
  const { size } = await stat(target);
  return {
    uuid,
    size,
    extension,
    name: displayName(item.name),
    peek: size === 0 ? null : await peek(target),
  };
}
