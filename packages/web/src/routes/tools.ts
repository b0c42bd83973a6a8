import { rm } from "node:fs/promises";
import { Router } from "express";
import { z } from "zod";
import { describeInputs, describeOutputs, describeTool, type Tool } from "@galaxy-jobs/tools";
import { ApiError, codes } from "../api-error.ts";
import { requireUser } from "../authenticate.ts";
import { discard, makeDatasets, receiveForm, writePasted, type Form, type UploadItem } from "../uploads.ts";
import { submitJob } from "../submit-job.ts";
import { readBody } from "../read-body.ts";
import type { WebContext } from "../web-context.ts";

const submission = z.strictObject({
  tool_id: z.string(),
  tool_version: z.string().nullish(),
  history_id: z.string().nullish(),
  inputs: z.record(z.string(), z.unknown()).default({}),
  input_format: z.enum(["legacy", "21.01", "request"]).optional(),
  use_cached_job: z.boolean().optional(),
});
type Submission = z.infer<typeof submission>;

/** The built-in tool that makes datasets; the web tier does it itself. */
const uploadTool = {
  model_class: "Tool",
  id: "upload1",
  name: "Upload File",
  version: "1.0.0",
  description: "from your computer",
  labels: [],
  panel_section_id: "tools",
  panel_section_name: "Tools",
  hidden: "hidden",
  form_style: "special",
  inputs: [],
  outputs: [],
};

export function toolRoutes(context: WebContext): Router {
  const router = Router();

  router.get("/api/tools", (request, response) => {
    const query = typeof request.query["q"] === "string" ? request.query["q"].toLowerCase() : "";
    const tools = context
      .toolBox()
      .list()
      .filter(({ id, name, description }) => `${id} ${name} ${description}`.toLowerCase().includes(query))
      .map(describeTool);
    const all = query === "" ? [...tools, uploadTool] : tools;
    if (request.query["in_panel"] === "false") response.json(all);
    else response.json([{ model_class: "ToolSection", id: "tools", name: "Tools", elems: all }]);
  });

  router.get(["/api/tools/:id", "/api/tools/:id/build"], (request, response) => {
    if (request.params["id"] === "upload1") {
      response.json(uploadTool);
      return;
    }
    const tool = mustFind(context, String(request.params["id"]), textOf(request.query["tool_version"]));
    response.json({
      ...describeTool(tool),
      inputs: describeInputs(tool),
      outputs: describeOutputs(tool),
      help:
        typeof tool.source.help === "string"
          ? { format: "plain_text", content: tool.source.help }
          : (tool.source.help ?? null),
      citations: tool.source.citations,
    });
  });

  router.get("/api/tools/:id/raw_tool_source", (request, response) => {
    response.type("text/plain").send(mustFind(context, request.params.id, undefined).text);
  });

  router.get("/api/tools/:id/citations", (request, response) => {
    response.json(mustFind(context, request.params.id, undefined).source.citations);
  });

  router.post("/api/tools", async (request, response) => {
    const caller = await requireUser(context, request);
    if (request.is("multipart/form-data") === false) {
      response.json(await run(context, caller, readBody(submission, request), []));
      return;
    }
    const form = await receiveForm(context, request);
    try {
      response.json(await run(context, caller, fromForm(form), form.files));
    } finally {
      await discard(form.files);
    }
  });

  return router;
}

type Caller = Awaited<ReturnType<typeof requireUser>>;

async function run(context: WebContext, caller: Caller, body: Submission, files: Form["files"]) {
  const history = body.history_id ?? undefined;
  if (body.tool_id === "upload1") return upload(context, caller, history, body.inputs, files);
  const tool = mustFind(context, body.tool_id, body.tool_version ?? undefined);
  const inputs = { ...body.inputs };
  for (const file of files) {
    const made = await makeDatasets(context, caller, history, [
      { name: file.fileName, extension: undefined, path: file.path },
    ]);
    inputs[file.field] = { src: "hda", id: made.outputs[0]!.id };
  }
  return submitJob(context, { ...caller, tool, historyId: history, inputs });
}

/** Galaxy's upload1: `files_N|url_paste` texts and `files_N|file_data` files (galaxy.md 6.4). */
async function upload(
  context: WebContext,
  caller: Caller,
  history: string | undefined,
  inputs: Record<string, unknown>,
  files: Form["files"],
) {
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

function fromForm({ fields }: Form): Submission {
  const { inputs, ...rest } = fields;
  let parsed: unknown = {};
  try {
    parsed = inputs === undefined ? {} : JSON.parse(inputs);
  } catch {
    throw new ApiError(codes.invalid, "inputs is not valid JSON");
  }
  const result = submission.safeParse({ ...rest, inputs: parsed });
  if (!result.success) throw new ApiError(codes.invalid, z.prettifyError(result.error));
  return result.data;
}

function mustFind(context: WebContext, id: string, version: string | undefined): Tool {
  const tool = context.toolBox().get(id, version);
  if (tool === undefined)
    throw new ApiError(codes.notFound, `Could not find tool with id '${id.slice(0, 255)}'.`);
  return tool;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
