import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DeployTarget, RenderedFile } from "./render-files.ts";

const execute = promisify(execFile);

/** What came of a check by the program that will read the files. */
export interface CheckResult {
  /** What it complained of; empty: nothing. */
  readonly complaint: string;
  /** In words; undefined: the files could not be checked here. */
  readonly checker?: string;
  /** Programs that were looked for. */
  readonly wanted: string;
}

/** Asks the program that will read the files, where there is one here. */
export async function checkFiles(
  target: DeployTarget,
  folder: string,
  files: readonly RenderedFile[],
): Promise<CheckResult | undefined> {
  switch (target) {
    case "systemd":
      return checkUnits(files.map(({ name }) => join(folder, name.replace("@.", "@0."))));
    case "compose":
      return checkCompose(join(folder, "docker-compose.yml"));
    case "nginx":
      return checkNginx(join(folder, "galaxy.conf"));
    case "supervisor":
      // It has no way to check a file without being started.
      return undefined;
  }
}

/** systemd-analyze says by its words, and not always by its exit code, what is wrong. */
async function checkUnits(units: readonly string[]): Promise<CheckResult> {
  const said = await say("systemd-analyze", ["verify", ...units]);
  if (said === undefined) return { complaint: "", wanted: "systemd-analyze" };
  return { complaint: said.text, checker: "systemd-analyze", wanted: "systemd-analyze" };
}

async function checkCompose(file: string): Promise<CheckResult> {
  const wanted = "docker compose, nor docker-compose,";
  for (const [program, ...words] of [["docker", "compose"], ["docker-compose"]] as const) {
    if ((await say(program, [...words, "version"]))?.failed !== false) continue;
    const said = await say(program, [...words, "-f", file, "config", "-q"]);
    return {
      complaint: said?.failed === true ? said.text : "",
      checker: [program, ...words].join(" "),
      wanted,
    };
  }
  return { complaint: "", wanted };
}

/** The file is a part of a configuration: it is tried inside of one that has nothing else. */
async function checkNginx(file: string): Promise<CheckResult> {
  const work = await mkdtemp(join(tmpdir(), "galaxy-nginx-check-"));
  try {
    const main = join(work, "nginx.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((kind) => `${kind}_temp_path ${work}/${kind};`)
      .join(" ");
    // Names of files without a slash are looked for beside the main file, as everywhere.
    const uwsgi = "/etc/nginx/uwsgi_params";
    const http = `http { access_log off; ${temporary} include ${JSON.stringify(file)}; }`;
    await writeFile(main, `pid ${work}/pid;\nerror_log stderr warn;\nevents {}\n${http}\n`);
    await execute("cp", [uwsgi, work]).catch(() => undefined);
    const said = await say("nginx", ["-t", "-q", "-c", main, "-p", work]);
    if (said === undefined) return { complaint: "", wanted: "nginx" };
    return { complaint: said.failed ? said.text : "", checker: "nginx -t", wanted: "nginx" };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** @returns undefined where there is no such program */
async function say(
  program: string,
  words: readonly string[],
): Promise<{ readonly failed: boolean; readonly text: string } | undefined> {
  try {
    const { stdout, stderr } = await execute(program, words, { timeout: 30_000 });
    return { failed: false, text: stdout + stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === "ENOENT") return undefined;
    return { failed: true, text: stdout + stderr || String(error) };
  }
}
