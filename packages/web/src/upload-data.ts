import { rm } from "node:fs/promises";
import type { z } from "zod";
import { ApiError, codes } from "./api-error.ts";
import type { CallerOf } from "./endpoint.ts";
import type { runAnswer } from "./schemas/tool.ts";
import { makeDatasets, writePasted, type UploadItem } from "./make-datasets.ts";
import type { ReceivedFile } from "./receive-form.ts";
import type { WebContext } from "./web-context.ts";

/** Galaxy's upload1: `files_N|url_paste` texts and `files_N|file_data` files (galaxy.md 6.4). */
export async function uploadData(
  context: WebContext,
  caller: CallerOf["user"],
  history: string | undefined,
  inputs: Record<string, unknown>,
  files: readonly ReceivedFile[],
): Promise<z.infer<typeof runAnswer>> {
  const type = textOf(inputs["file_type"]);
  const extension = type === undefined || type === "auto" ? undefined : type;
  if (extension !== undefined && !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(extension))
    throw new ApiError(codes.invalid, `file_type: ${JSON.stringify(extension)} is no datatype`);
  const items: UploadItem[] = files.map((file) => {
    const index = /^files_(\d+)\|file_data$/.exec(file.field)?.[1];
    if (index === undefined)
      throw new ApiError(
        codes.invalid,
        `${file.field}: a file of upload1 belongs in files_0|file_data, files_1|file_data, …`,
      );
    return { name: textOf(inputs[`files_${index}|NAME`]) ?? file.fileName, extension, path: file.path };
  });
  const pasted: string[] = [];
  try {
    for (const [key, value] of Object.entries(inputs)) {
      const index = /^files_(\d+)\|url_paste$/.exec(key)?.[1];
      if (index === undefined || typeof value !== "string") continue;
      if (/^\s*(https?|ftp):\/\//i.test(value))
        throw new ApiError(
          codes.invalid,
          `${key}: this server does not fetch addresses; upload the file or paste its text`,
        );
      const path = await writePasted(context, value, textOf(inputs[`files_${index}|space_to_tab`]) === "Yes");
      pasted.push(path);
      items.push({ name: textOf(inputs[`files_${index}|NAME`]) ?? "Pasted Entry", extension, path });
    }
    if (items.length === 0)
      throw new ApiError(
        codes.missing,
        "nothing to upload: send files_0|url_paste with a text, or a file part files_0|file_data",
      );
    return await makeDatasets(context, caller, history, items);
  } finally {
    await Promise.all(pasted.map((path) => rm(path, { force: true })));
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
