import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { promisify } from "node:util";
import type { Argv } from "yargs";
import { hostFacts } from "../deploy/host-facts.ts";
import { renderFiles, type ProcessManager, type RenderedFile } from "../deploy/render-files.ts";
import { writeFiles } from "../deploy/write-files.ts";
import { configOf, type CommonArguments } from "../session.ts";

const execute = promisify(execFile);

interface InitArguments extends CommonArguments {
  readonly directory: string;
  readonly with: ProcessManager;
  readonly user?: string;
  readonly group?: string;
  readonly bin?: string;
  readonly handlers: number;
  readonly environmentDir: string;
  readonly yes?: boolean;
}

export function deployCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command(
      "init <directory>",
      "Write the files of a process manager for this host and this configuration",
      (init) =>
        init
          .positional("directory", {
            type: "string",
            demandOption: true,
            describe: "Where to, e.g. /etc/systemd/system",
          })
          .option("with", {
            choices: ["systemd", "supervisor"] as const,
            demandOption: true,
            describe: "Which one",
          })
          .option("user", {
            type: "string",
            requiresArg: true,
            describe: "Account of the processes (default: yours)",
          })
          .option("group", {
            type: "string",
            requiresArg: true,
            describe: "Its group (default: of the user's name)",
          })
          .option("bin", {
            type: "string",
            requiresArg: true,
            describe: "Where galaxy-web and galaxy-handler are",
          })
          .option("handlers", {
            type: "number",
            default: 4,
            describe: "How many, unless job_conf defines them",
          })
          .option("environment-dir", {
            type: "string",
            default: "/etc/galaxy",
            describe: "Of files with secrets (systemd)",
          })
          .option("yes", { alias: "y", type: "boolean", describe: "Overwrite what is there without asking" }),
      (args) => init(args as unknown as InitArguments),
    )
    .demandCommand(1, "deploy: say init");
}

async function init(args: InitArguments): Promise<void> {
  if (!Number.isInteger(args.handlers) || args.handlers < 1 || args.handlers > 100)
    throw new Error("--handlers: expected a whole number from 1 to 100");
  const { environmentDir: environmentDirectory, user, group, bin, handlers } = args;
  const facts = hostFacts(configOf(args), { user, group, bin, handlers, environmentDirectory });
  const files = renderFiles(args.with, facts);
  const folder = resolve(args.directory);
  const result = await writeFiles(
    folder,
    files,
    (diff) => process.stdout.write(diff),
    () => confirm(args.yes === true),
  );
  if (result === undefined) {
    process.stderr.write("galaxyctl: nothing was written; --yes overwrites without asking\n");
    process.exitCode = 1;
    return;
  }
  for (const path of result.written) process.stdout.write(`wrote ${path}\n`);
  for (const path of result.unchanged) process.stdout.write(`unchanged ${path}\n`);
  if (args.with === "systemd") await verify(folder, files);
}

async function confirm(isAgreed: boolean): Promise<boolean> {
  if (isAgreed) return true;
  if (!process.stdin.isTTY) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await prompt.question("Overwrite? [y/N] ")).trim());
  } finally {
    prompt.close();
  }
}

/** systemd-analyze says by its words, and not always by its exit code, what is wrong. */
async function verify(folder: string, files: readonly RenderedFile[]): Promise<void> {
  const units = files.map(({ name }) => join(folder, name.replace("@.", "@0.")));
  try {
    const { stdout, stderr } = await execute("systemd-analyze", ["verify", ...units], { timeout: 30_000 });
    complain(stdout + stderr);
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === "ENOENT") process.stdout.write("not checked: there is no systemd-analyze here\n");
    else complain(stdout + stderr || String(error));
  }
}

function complain(said: string): void {
  if (said.trim() === "") {
    process.stdout.write("systemd-analyze finds nothing wrong\n");
    return;
  }
  process.stderr.write(said);
  process.exitCode = 1;
}
