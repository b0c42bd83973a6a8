import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { traversableFolder } from "../support/servers.ts";

/** A tool whose runs leave their trace in a file that no process of ours writes, and that wait at a gate where they are told to. */
export interface TracedTool {
  /** For `tool_path`. */
  readonly tools: string;
  /** How often the run of each number was started. */
  runs(): Promise<Map<number, number>>;
  /** Lets the run of a number go on. */
  open(number: number): Promise<void>;
}

/**
 * The tools `traced` (a config file, an output, an exit code of one's choice), `slow_to_prepare` (the same, with an expression
 * that takes a second) and `poisonous` (the same; only its name is).
 */
export async function makeTracedTool(): Promise<TracedTool> {
  const folder = await traversableFolder("galaxy-test-traced-");
  const tools = join(folder, "tools");
  const record = join(folder, "record");
  await mkdir(tools);
  await writeFile(record, "");
  const slow = `(() => { const end = Date.now() + 1000; while (Date.now() < end); return inputs.number })()`;
  for (const [id, number] of [
    ["traced", "inputs.number"],
    ["poisonous", "inputs.number"],
    ["slow_to_prepare", slow],
  ] as const)
    await writeFile(join(tools, `${id}.yml`), toolText(id, number, folder));
  return {
    tools,
    runs: async () => {
      const counts = new Map<number, number>();
      for (const line of (await readFile(record, "utf8")).split("\n").filter(Boolean))
        counts.set(Number(line), (counts.get(Number(line)) ?? 0) + 1);
      return counts;
    },
    open: (number) => writeFile(join(folder, `gate.${number}`), ""),
  };
}

function toolText(id: string, number: string, folder: string): string {
  return `class: GalaxyUserTool
id: ${id}
name: ${id}
version: "1.0"
shell_command: |
  echo '$(inputs.number)' >> '${folder}/record'
  while [ '$(inputs.gated)' = true ] && [ -d '${folder}' ] && [ ! -e '${folder}/gate.$(inputs.number)' ]; do sleep 0.05; done
  cat settings.txt > made.txt
  echo 'said $(inputs.number)'
  exit $(inputs.code)
configfiles:
  - filename: settings.txt
    content: "number $(${number})"
inputs:
  - name: number
    type: integer
  - name: code
    type: integer
    value: 0
  - name: gated
    type: boolean
    value: false
outputs:
  - name: made
    type: data
    format: txt
    from_work_dir: made.txt
`;
}
