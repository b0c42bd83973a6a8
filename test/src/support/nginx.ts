import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

/** True if nginx is installed. */
export function hasNginx(): boolean {
  try {
    execFileSync("nginx", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export interface Nginx {
  readonly port: number;
  /** What it complained of. */
  errors(): Promise<string>;
  stop(): Promise<void>;
}

/** nginx in the foreground, with one server on a free port of loopback. */
export async function startNginx(options: { http?: string; server: string }): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "galaxy-nginx-"));
  // Its workers are another user.
  await chmod(folder, 0o755);
  const port = await freePort();
  const temporary = ["client_body", "proxy", "uwsgi", "fastcgi", "scgi"].map((kind) => {
    const path = join(folder, kind);
    return { path, line: `${kind}_temp_path ${path};` };
  });
  for (const { path } of temporary) await mkdir(path);
  // What is included by a name alone is looked for beside its configuration.
  await copyFile("/etc/nginx/uwsgi_params", join(folder, "uwsgi_params")).catch(() => undefined);
  const config = join(folder, "nginx.conf");
  await writeFile(
    config,
    `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types;
  access_log off;
  client_max_body_size 0;
  ${temporary.map(({ line }) => line).join("\n  ")}
  ${options.http ?? ""}
  server {
    listen 127.0.0.1:${port};
    location = /ready-probe { return 204; }
    ${options.server}
  }
}
`,
  );
  const child = spawn("nginx", ["-c", config, "-p", folder], { stdio: ["ignore", "inherit", "inherit"] });
  const ended = once(child, "close");
  const answers = async () =>
    child.exitCode !== null ||
    (await fetch(`http://127.0.0.1:${port}/ready-probe`).then(
      (response) => response.body?.cancel().then(() => true) ?? true,
      () => false,
    ));
  await until(answers, { what: "nginx to listen", deadline: 60_000 });
  return {
    port,
    errors: () => readFile(join(folder, "error.log"), "utf8"),
    async stop() {
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port of loopback that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
