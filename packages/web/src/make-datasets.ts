import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { z } from "zod";
import { peek } from "@galaxy-jobs/handler";
import {
  datasetPath,
  ensureDefaultHistory,
  findDataset,
  findJob,
  insertDataset,
  insertEndedJob,
  isConnectionError,
  linkOutput,
  type UserRow,
} from "@galaxy-jobs/shared-db";
import { displayName, sniffExtension } from "./datatypes.ts";
import { ownedHistory } from "./owned.ts";
import { dataset, jobSummary } from "./represent.ts";
import type { runAnswer } from "./schemas/tool.ts";
import type { WebContext } from "./web-context.ts";

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
): Promise<z.infer<typeof runAnswer>> {
  const { database, ids } = context;
  const historyId =
    history === undefined
      ? (await ensureDefaultHistory(database, owner.user.id)).id
      : (await ownedHistory(context, owner, history)).id;
  const { jobId, datasetIds } = await placeAndRecord(context, owner.user.id, historyId, items);
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

/** The files in their places, and the job and datasets that say so; neither without the other. */
async function placeAndRecord(
  { database, config, release }: WebContext,
  userId: number,
  historyId: number,
  items: readonly UploadItem[],
): Promise<{ jobId: number; datasetIds: number[] }> {
  const targets = items.map((item) => {
    const uuid = randomUUID();
    return { item, uuid, path: datasetPath(config.fileDirectory, uuid) };
  });
  try {
    const placed: PlacedFile[] = [];
    for (const { item, uuid, path } of targets) placed.push(await place(item, uuid, path));
    return await database.begin(async (sql) => {
      const job = {
        userId,
        historyId,
        toolId: "upload1",
        version: release,
        handler: config.serverName,
      };
      const jobId = await insertEndedJob(sql, job);
      const datasetIds: number[] = [];
      for (const [index, { size, ...file }] of placed.entries()) {
        const state = size === 0 ? "empty" : "ok";
        const { id } = await insertDataset(sql, { ...file, historyId, jobId, state, fileSize: size });
        await linkOutput(sql, jobId, id, `output${index}`);
        datasetIds.push(id);
      }
      return { jobId, datasetIds };
    });
  } catch (error) {
    // Whether a lost connection has committed is not known; a file too many is better than a dataset without one.
    if (!isConnectionError(error)) await Promise.all(targets.map(({ path }) => rm(path, { force: true })));
    throw error;
  }
}

interface PlacedFile {
  readonly uuid: string;
  readonly size: number;
  readonly extension: string;
  readonly name: string;
  readonly peek: string | null;
}

async function place(item: UploadItem, uuid: string, target: string): Promise<PlacedFile> {
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
