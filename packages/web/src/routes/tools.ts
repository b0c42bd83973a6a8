import { rm } from "node:fs/promises";
import { z } from "zod";
import { datasetPath, deleteDataset, findDataset } from "@galaxy-jobs/shared-db";
import { describeInputs, describeOutputs, describeTool, type Tool } from "@galaxy-jobs/tools";
import type { ApiRoutes } from "../api-routes.ts";
import type { CallerOf } from "../endpoint.ts";
import { flag, oneOrMore } from "../schemas/fields.ts";
import {
  runAnswer,
  submission,
  submissionForm,
  toolDetails,
  toolSection,
  toolSummary,
} from "../schemas/tool.ts";
import { checkedInputs, findTool, submitJob } from "../submit-job.ts";
import { uploadData } from "../upload-data.ts";
import { makeDatasets } from "../make-datasets.ts";
import type { ReceivedFile } from "../receive-form.ts";
import type { WebContext } from "../web-context.ts";

/** The built-in tool that makes datasets; the web tier does it itself. */
export const uploadTool = {
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
};
const toolId = z.object({ id: z.string() });
const oneVersion = z.object({ tool_version: z.string().min(1).optional() });

/** Tools: what there is, what they take, and their runs (galaxy.md 6.3, 6.4). */
export function toolRoutes(api: ApiRoutes, context: WebContext): void {
  api.get(
    "/api/tools",
    {
      tag: "tools",
      summary: "The tools",
      access: "anybody",
      query: z.object({
        in_panel: flag.default(true).meta({ description: "In sections; else a flat list." }),
        q: z.string().optional().meta({ description: "A part of the id, name or description." }),
        tool_id: oneOrMore(z.string()).optional().meta({ description: "These tools only, as a flat list." }),
      }),
      answer: z.union([z.array(toolSection), z.array(toolSummary)]),
    },
    ({ query }) => {
      const words = (query.q ?? "").toLowerCase();
      const tools = context
        .toolBox()
        .list()
        .filter(({ id, name, description }) => `${id} ${name} ${description}`.toLowerCase().includes(words))
        .map(describeTool);
      const all: z.infer<typeof toolSummary>[] = words === "" ? [...tools, uploadTool] : tools;
      if (query.tool_id !== undefined) return all.filter(({ id }) => query.tool_id!.includes(id));
      if (!query.in_panel) return all;
      return [{ model_class: "ToolSection" as const, id: "tools", name: "Tools", elems: all }];
    },
  );

  for (const path of ["/api/tools/{id}", "/api/tools/{id}/build"]) {
    api.get(
      path,
      {
        tag: "tools",
        summary: "A tool with its inputs and outputs",
        access: "anybody",
        params: toolId,
        query: oneVersion,
        answer: toolDetails,
      },
      ({ params, query }) =>
        params.id === uploadTool.id
          ? { ...uploadTool, inputs: [], outputs: [] }
          : detailsOf(findTool(context, params.id, query.tool_version)),
    );
  }

  api.get(
    "/api/tools/{id}/raw_tool_source",
    {
      tag: "tools",
      summary: "The tool's file",
      access: "anybody",
      params: toolId,
      query: oneVersion,
      answer: { contentType: "text/plain", description: "YAML." },
    },
    ({ params, query, response }) =>
      void response.type("text/plain").send(findTool(context, params.id, query.tool_version).text),
  );

  api.get(
    "/api/tools/{id}/citations",
    {
      tag: "tools",
      summary: "What to cite when the tool was used",
      access: "anybody",
      params: toolId,
      query: oneVersion,
      answer: z.array(z.unknown()),
    },
    ({ params, query }) => [...(findTool(context, params.id, query.tool_version).source.citations ?? [])],
  );

  api.post(
    "/api/tools",
    {
      tag: "tools",
      summary: "Run a tool, or upload data with the tool upload1",
      description:
        "As a form: a file part named like a data input becomes that input; upload1 takes files_0|file_data, files_1|file_data, …, or texts as inputs files_0|url_paste, with files_0|NAME and file_type.",
      access: "user",
      body: submission,
      form: { fields: submissionForm, file: "files_0|file_data" },
      answer: runAnswer,
    },
    ({ caller, body, files }) => run(context, caller, body, files),
  );
}

function detailsOf(tool: Tool): z.input<typeof toolDetails> {
  const { help, citations } = tool.source;
  return {
    ...describeTool(tool),
    inputs: describeInputs(tool) as z.input<typeof toolDetails>["inputs"],
    outputs: describeOutputs(tool),
    help: typeof help === "string" ? { format: "plain_text", content: help } : (help ?? null),
    citations,
  };
}

async function run(
  context: WebContext,
  caller: CallerOf["user"],
  body: z.output<typeof submission>,
  files: readonly ReceivedFile[],
): Promise<z.infer<typeof runAnswer>> {
  const history = body.history_id ?? undefined;
  if (body.tool_id === uploadTool.id) return uploadData(context, caller, history, body.inputs, files);
  const tool = findTool(context, body.tool_id, body.tool_version ?? undefined);
  const plan = { ...caller, tool, historyId: history };
  if (files.length === 0) return submitJob(context, { ...plan, inputs: body.inputs });
  // Before anything is made of the files: no dataset for a run that cannot be.
  const parts = Object.fromEntries(files.map(({ field }) => [field, { src: "hda", id: "part" }]));
  checkedInputs(tool, { ...body.inputs, ...parts });
  const items = files.map(({ fileName, path }) => ({ name: fileName, extension: undefined, path }));
  const made = await makeDatasets(context, caller, history, items);
  for (const [index, { field }] of files.entries())
    parts[field] = { src: "hda", id: made.outputs[index]!.id };
  try {
    return await submitJob(context, { ...plan, inputs: { ...body.inputs, ...parts } });
  } catch (error) {
    await Promise.all(made.outputs.map(({ id }) => unmake(context, id)));
    throw error;
  }
}

/** A dataset of a request that failed. */
async function unmake({ database, ids, config }: WebContext, encoded: string): Promise<void> {
  const row = await findDataset(database, ids.decode("dataset", encoded)!);
  if (row === undefined) return;
  await database.begin((sql) => deleteDataset(sql, row.id, true));
  await rm(datasetPath(config.fileDirectory, row.uuid), { force: true });
}
