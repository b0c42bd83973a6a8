import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseYaml, type Fault } from "@galaxy-jobs/runtime";
import { parseTool } from "./parse-tool.ts";
import type { Tool } from "./tool.ts";

/** Where the sample tools lie that come with this package. */
export const bundledTools: string = fileURLToPath(new URL("../samples", import.meta.url));

/** The tools of an instance, by id and version. */
export class ToolBox {
  readonly faults: readonly Fault[];
  readonly #versions = new Map<string, Tool[]>();

  /** @param tools in any order; of several versions of an id the newest is the default */
  constructor(tools: readonly Tool[], faults: readonly Fault[] = []) {
    const clashes: Fault[] = [];
    for (const tool of tools) {
      const versions = this.#versions.get(tool.id) ?? [];
      const twin = versions.find(({ version }) => version === tool.version);
      if (twin === undefined)
        this.#versions.set(
          tool.id,
          [...versions, tool].toSorted((a, b) => compareVersions(b.version, a.version)),
        );
      else
        clashes.push({
          file: tool.file,
          ...parseYaml(tool.text, tool.file).position(["id"]),
          key: "id",
          message: `${tool.id} ${tool.version} is already defined in ${twin.file}`,
          remedy: "change its id or version",
        });
    }
    this.faults = [...faults, ...clashes];
  }

  /** The tool, in its newest version or the one named. */
  get(id: string, version?: string): Tool | undefined {
    const versions = this.#versions.get(id);
    return version === undefined ? versions?.[0] : versions?.find((tool) => tool.version === version);
  }

  /** A box with each tool changed; its id and version stay. */
  map(change: (tool: Tool) => Tool): ToolBox {
    return new ToolBox([...this.#versions.values()].flat().map(change), this.faults);
  }

  /** Each tool in its newest version, by name. */
  list(): readonly Tool[] {
    return [...this.#versions.values()]
      .map((versions) => versions[0]!)
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }
}

/**
 * Reads the tools in files and folders (with their subfolders); without paths the bundled samples. A bad file is a fault of
 * the box and keeps no other tool out.
 */
export async function loadToolBox(paths: readonly string[] | undefined): Promise<ToolBox> {
  const tools: Tool[] = [];
  const faults: Fault[] = [];
  for (const path of paths ?? [bundledTools]) {
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
  return new ToolBox(tools, faults);
}

async function toolFiles(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
