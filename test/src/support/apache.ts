import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./nginx.ts";
import { traversableFolder } from "./servers.ts";
import { until } from "./until.ts";

const modules = "/usr/lib/apache2/modules";

/** What is missing for an Apache with mod_xsendfile; empty: nothing. */
export function missingForApache(): string[] {
  const missing: string[] = [];
  try {
    execFileSync("apache2", ["-v"], { stdio: "ignore" });
  } catch {
    missing.push("apache2");
  }
  if (!existsSync(join(modules, "mod_xsendfile.so"))) missing.push("mod_xsendfile");
  return missing;
}

export interface Apache {
  readonly port: number;
  /** What it complained of. */
  errors(): Promise<string>;
  stop(): Promise<void>;
}

/** Apache in the foreground with a configuration of its own, on a free port of loopback. */
export async function startApache(site: string): Promise<Apache> {
  const folder = await traversableFolder("galaxy-test-apache-");
  const port = await freePort();
  const wanted = ["mpm_event", "authz_core", "proxy", "proxy_http", "proxy_uwsgi", "headers", "xsendfile"];
  const config = join(folder, "apache.conf");
  // Started by root its workers are another user.
  const account = process.getuid?.() === 0 ? "User www-data\nGroup www-data\n" : "";
  await writeFile(
    config,
    `ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
ServerName localhost
Listen 127.0.0.1:${port}
${wanted.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`).join("\n")}
${account}${site}
`,
  );
  const child = spawn("apache2", ["-f", config, "-DFOREGROUND"], { stdio: ["ignore", "inherit", "inherit"] });
  const ended = once(child, "close");
  const errors = () => readFile(join(folder, "error.log"), "utf8").catch(() => "");
  const answers = async () => {
    if (child.exitCode !== null) throw new Error(`apache2 ended:\n${await errors()}`);
    return fetch(`http://127.0.0.1:${port}/`).then(
      (response) => response.body?.cancel().then(() => true) ?? true,
      () => false,
    );
  };
  await until(answers, { what: "apache2 to listen", deadline: 60_000 });
  return {
    port,
    errors,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
