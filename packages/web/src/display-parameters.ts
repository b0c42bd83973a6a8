import { findDataset, jobOutputs, type JobRow } from "@galaxy-jobs/shared-db";
import {
  checkInputs,
  chosenParameters,
  type InputValue,
  type InputValues,
  type ToolInput,
} from "@galaxy-jobs/tools";
import type { z } from "zod";
import { encodeReferences } from "./represent-job.ts";
import type { displayedParameters } from "./schemas/job.ts";
import type { WebContext } from "./web-context.ts";

type Displayed = z.infer<typeof displayedParameters>;
type Parameter = Displayed["parameters"][number];

/** A job's parameters with the labels of its tool, nested by depth (galaxy.md 6.2). A tool that is gone shows bare names. */
export async function displayParameters(context: WebContext, job: JobRow): Promise<Displayed> {
  const tool = context.toolBox().get(job.toolId, job.toolVersion) ?? context.toolBox().get(job.toolId);
  const params = job.params as unknown as InputValues;
  const parameters: Parameter[] = [];
  if (tool === undefined) {
    for (const [name, value] of Object.entries(params))
      parameters.push({ text: name, depth: 1, value: shown(value) });
  } else await level(context, tool.inputs, params, 1, parameters);
  const faulty = tool !== undefined && !checkInputs(tool, encodeReferences(context, job.params)).ok;
  const outputs: Displayed["outputs"] = {};
  for (const { outputName, id, name } of await jobOutputs(context.database, job.id))
    outputs[outputName] = [{ label: name, value: { src: "hda", id: context.ids.encode("dataset", id) } }];
  return { parameters, has_parameter_errors: faulty, outputs };
}

async function level(
  context: WebContext,
  inputs: readonly ToolInput[],
  values: InputValues,
  depth: number,
  to: Parameter[],
): Promise<void> {
  for (const input of inputs) {
    const text = input.label ?? input.name;
    const value = values[input.name] ?? null;
    switch (input.type) {
      case "section":
        to.push({ text, depth, value: "" });
        await level(context, input.parameters, (value ?? {}) as InputValues, depth + 1, to);
        break;
      case "repeat":
        for (const [index, item] of ((value ?? []) as InputValues[]).entries()) {
          to.push({ text: `${text} ${index + 1}`, depth, value: "" });
          await level(context, input.parameters, item, depth + 1, to);
        }
        break;
      case "conditional": {
        const test = input.test_parameter;
        const inside = (value ?? {}) as InputValues;
        const chosen = inside[test.name] ?? null;
        to.push({ text: test.label ?? test.name, depth, value: shown(chosen) });
        await level(context, chosenParameters(input, chosen) ?? [], inside, depth + 1, to);
        break;
      }
      case "data":
        to.push({ text, depth, value: await datasets(context, value) });
        break;
      default:
        to.push({ text, depth, value: shown(value) });
    }
  }
}

async function datasets({ database, ids }: WebContext, value: InputValue): Promise<Parameter["value"]> {
  const references = [value].flat() as readonly ({ id: number } | null)[];
  const rows = await Promise.all(
    references.filter((reference) => reference !== null).map(({ id }) => findDataset(database, id)),
  );
  return rows
    .filter((row) => row !== undefined)
    .map(({ id, hid, name }) => ({ src: "hda" as const, id: ids.encode("dataset", id), hid, name }));
}

function shown(value: InputValue): string {
  if (value === null) return "Not available.";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
