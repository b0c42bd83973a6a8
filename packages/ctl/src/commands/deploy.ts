import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import type { Argv } from "yargs";
import { checkFiles } from "../deploy/check-files.ts";
import { composeFiles } from "../deploy/compose-files.ts";
import { hostFacts } from "../deploy/host-facts.ts";
import { nginxFile } from "../deploy/nginx-file.ts";
import { renderFiles, type DeployTarget, type RenderedFile } from "../deploy/render-files.ts";
import { writeFiles } from "../deploy/write-files.ts";
import { configOf, type CommonArguments } from "../session.ts";

interface InitArguments extends CommonArguments {
  readonly directory: string;
  readonly with: DeployTarget;
  readonly user?: string;
  readonly group?: string;
  readonly bin?: string;
  readonly handlers: number;
  readonly environmentDir: string;
  readonly host?: string;
  readonly listen?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly yes?: boolean;
}

export function deployCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command(
      "init <directory>",
      "Write the files of a process manager, of containers or of nginx for this host and this configuration",
      (init) =>
        init
          .positional("directory", {
            type: "string",
            demandOption: true,
            describe: "Where to, e.g. /etc/systemd/system",
          })
          .option("with", {
            choices: ["systemd", "supervisor", "compose", "nginx"] as const,
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
            describe: "How many, unless job_conf defines them; with compose: containers of each pool",
          })
          .option("environment-dir", {
            type: "string",
            default: "/etc/galaxy",
            describe: "Of files with secrets (systemd)",
          })
          .option("host", { type: "string", requiresArg: true, describe: "Name of the site (nginx)" })
          .option("listen", {
            type: "string",
            requiresArg: true,
            describe: "Address or port (nginx; default 80, with a certificate 443)",
          })
          .option("certificate", { type: "string", requiresArg: true, describe: "PEM file, for TLS (nginx)" })
          .option("key", { type: "string", requiresArg: true, describe: "Its key (nginx)" })
          .option("yes", { alias: "y", type: "boolean", describe: "Overwrite what is there without asking" }),
      (args) => init(args as unknown as InitArguments),
    )
    .demandCommand(1, "deploy: say init");
}

async function init(args: InitArguments): Promise<void> {
  if (!Number.isInteger(args.handlers) || args.handlers < 1 || args.handlers > 100)
    throw new Error("--handlers: expected a whole number from 1 to 100");
  const files = filesFor(args);
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
  await check(args.with, folder, files);
}

function filesFor(args: InitArguments): RenderedFile[] {
  const config = configOf(args);
  const { environmentDir: environmentDirectory, user, group, bin, handlers } = args;
  if (args.with === "nginx") return [nginxFile(config, args)];
  const facts = hostFacts(config, { user, group, bin, handlers, environmentDirectory });
  return args.with === "compose" ? composeFiles(config, facts, { handlers }) : renderFiles(args.with, facts);
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

/** Says what the program that reads the files says of them. */
async function check(target: DeployTarget, folder: string, files: readonly RenderedFile[]): Promise<void> {
  const result = await checkFiles(target, folder, files);
  if (result === undefined) return;
  const { checker, complaint, wanted } = result;
  if (checker === undefined) process.stdout.write(`not checked: there is no ${wanted} here\n`);
  else if (complaint.trim() === "") process.stdout.write(`${checker} finds nothing wrong\n`);
  else {
    process.stderr.write(complaint.endsWith("\n") ? complaint : `${complaint}\n`);
    process.exitCode = 1;
  }
}
