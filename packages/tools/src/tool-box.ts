import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { parseYaml, type Fault } from "@galaxy-jobs/runtime";
import type { ReadTools } from "./read-tools.ts";
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
 * @param options.apart reads them on a thread that ends then: what checks tools takes several times the memory of the tools
 *   themselves, and a process that reads them once need not keep it
 */
export async function loadToolBox(
  paths: readonly string[] | undefined,
  { apart = false }: { readonly apart?: boolean } = {},
): Promise<ToolBox> {
  const from = paths ?? [bundledTools];
  // Loaded only where it is used.
  const { tools, faults } = apart
    ? await readToolsApart(from)
    : await (await import("./read-tools.ts")).readTools(from);
  return new ToolBox(tools, faults);
}

function readToolsApart(paths: readonly string[]): Promise<ReadTools> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL("./read-tools-thread.js", import.meta.url), { workerData: paths });
    thread.once("message", resolve);
    thread.once("error", reject);
    // Never after a message: it is sent last.
    thread.once("exit", (code) => reject(new Error(`the thread that reads tools ended (${code})`)));
  });
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
