import type { HistoryDatasetRow, HistoryRow, IdEncoder, JobRow, UserRow } from "@galaxy-jobs/shared-db";
import type { z } from "zod";
import type { datasetAnswer, historyAnswer, userAnswer } from "./schemas/data.ts";
import type { jobSummaryAnswer } from "./schemas/job.ts";

/** Rows in the shapes of Galaxy's API (galaxy.md 6.2, 6.5). */
export function time(value: Date): string;
export function time(value: Date | null): string | null;
export function time(value: Date | null): string | null {
  return value === null ? null : value.toISOString().replace("Z", "");
}

/** A job as lists show it; administrators see more of it. */
export function jobSummary(ids: IdEncoder, job: JobRow, isAdmin: boolean): z.infer<typeof jobSummaryAnswer> {
  return {
    model_class: "Job",
    id: ids.encode("job", job.id),
    tool_id: job.toolId,
    tool_version: job.toolVersion,
    history_id: job.historyId === null ? null : ids.encode("history", job.historyId),
    state: job.state,
    exit_code: job.exitCode,
    create_time: time(job.createTime),
    update_time: time(job.updateTime),
    galaxy_version: job.galaxyVersion,
    info: job.info,
    ...(isAdmin
      ? {
          external_id: job.jobRunnerExternalId,
          handler: job.handler,
          job_runner_name: job.jobRunnerName,
          traceback: job.traceback,
          command_line: job.commandLine,
        }
      : {}),
  };
}

export function dataset(ids: IdEncoder, row: HistoryDatasetRow): z.infer<typeof datasetAnswer> {
  const id = ids.encode("dataset", row.id);
  return {
    id,
    dataset_id: id,
    hda_ldda: "hda",
    model_class: "HistoryDatasetAssociation",
    history_content_type: "dataset",
    hid: row.hid,
    name: row.name,
    state: row.state,
    extension: row.extension,
    file_ext: row.extension,
    file_size: row.fileSize ?? 0,
    genome_build: "?",
    metadata_dbkey: "?",
    misc_info: row.info ?? "",
    misc_blurb: "",
    history_id: ids.encode("history", row.historyId),
    deleted: row.deleted,
    purged: row.purged,
    visible: row.visible,
    uuid: row.uuid,
    peek: row.peek,
    tags: [],
    creating_job: row.creatingJobId === null ? null : ids.encode("job", row.creatingJobId),
    download_url: `/api/datasets/${id}/display?to_ext=${row.extension}`,
    create_time: time(row.createTime),
    update_time: time(row.updateTime),
    url: `/api/datasets/${id}`,
  };
}

export function history(ids: IdEncoder, row: HistoryRow): z.infer<typeof historyAnswer> {
  const id = ids.encode("history", row.id);
  return {
    model_class: "History",
    id,
    name: row.name,
    deleted: row.deleted,
    purged: row.purged,
    tags: [],
    create_time: time(row.createTime),
    update_time: time(row.updateTime),
    url: `/api/histories/${id}`,
    contents_url: `/api/histories/${id}/contents`,
    published: false,
    annotation: null,
  };
}

export function user(ids: IdEncoder, row: UserRow, isAdmin: boolean): z.infer<typeof userAnswer> {
  return {
    model_class: "User",
    id: ids.encode("user", row.id),
    email: row.email,
    username: row.username,
    is_admin: isAdmin,
    active: row.active,
    deleted: row.deleted,
  };
}
