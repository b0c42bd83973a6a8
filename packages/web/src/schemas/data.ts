import { z } from "zod";
import { encodedId, time } from "./fields.ts";

/** Datasets, histories and users in Galaxy's API (galaxy.md 6.5). */
export const datasetAnswer = z
  .strictObject({
    id: encodedId,
    dataset_id: encodedId,
    hda_ldda: z.literal("hda"),
    model_class: z.literal("HistoryDatasetAssociation"),
    history_content_type: z.literal("dataset"),
    hid: z.int(),
    name: z.string(),
    state: z.enum([
      "new",
      "upload",
      "queued",
      "running",
      "ok",
      "empty",
      "error",
      "paused",
      "setting_metadata",
      "failed_metadata",
      "deferred",
      "discarded",
    ]),
    extension: z.string(),
    file_ext: z.string(),
    file_size: z.int(),
    genome_build: z.string(),
    metadata_dbkey: z.string(),
    misc_info: z.string(),
    misc_blurb: z.string(),
    history_id: encodedId,
    deleted: z.boolean(),
    purged: z.boolean(),
    visible: z.boolean(),
    uuid: z.string(),
    peek: z.string().nullable(),
    tags: z.array(z.string()),
    creating_job: encodedId.nullable(),
    download_url: z.string(),
    create_time: time,
    update_time: time,
    url: z.string(),
  })
  .meta({ id: "Dataset" });

export const historyAnswer = z
  .strictObject({
    model_class: z.literal("History"),
    id: encodedId,
    name: z.string(),
    deleted: z.boolean(),
    purged: z.boolean(),
    tags: z.array(z.string()),
    create_time: time,
    update_time: time,
    url: z.string(),
    contents_url: z.string(),
    published: z.boolean(),
    annotation: z.string().nullable(),
  })
  .meta({ id: "History" });

export const userAnswer = z
  .strictObject({
    model_class: z.literal("User"),
    id: encodedId,
    email: z.string(),
    username: z.string(),
    is_admin: z.boolean(),
    active: z.boolean(),
    deleted: z.boolean(),
  })
  .meta({ id: "User" });
