import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Fault } from "@galaxy-jobs/runtime/documents";
import { parseTool } from "./parse-tool.ts";
import type { Tool } from "./tool.ts";

/** Plain data: it can be sent from one thread to another. */
export interface ReadTools {
  readonly tools: readonly Tool[];
  readonly faults: readonly Fault[];
}

/** The tools in files and folders, with their subfolders, and what is wrong with the others. */
export async function readTools(paths: readonly string[]): Promise<ReadTools> {
  const tools: Tool[] = [];
  const faults: Fault[] = [];
  for (const path of paths) {
    try {
      for (const file of await toolFiles(path)) {
        const parsed = parseTool(await readFile(file, "utf8"), file);
        faults.push(...parsed.faults);
        if (parsed.tool !== undefined) tools.push(parsed.tool);
      }
    } catch (error) {
      faults.push({
        key: "galaxy.tool_path",
        message: `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  }
  return { tools, faults };
}

async function toolFiles(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}
