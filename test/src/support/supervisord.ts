import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { repository } from "./galaxy.ts";
import { until } from "./until.ts";

/** Skips the tests around a `before` hook on a machine without supervisord, by name. */
export async function needsSupervisord(context: Mocha.Context): Promise<void> {
  const found = await promisify(execFile)("supervisord", ["--version"]).then(
    () => true,
    () => false,
  );
  if (found) return;
  context.test!.title = "needs supervisord";
  context.skip();
}

/** A supervisord that has started our programs. */
export interface Supervisord {
  /** Where the web tier listened first. */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts what `folder/config/galaxy.yml` describes, and waits until the web tier listens. */
export async function startSupervisord(folder: string, deadline: number): Promise<Supervisord> {
  const conf = join(folder, "supervisord.conf");
  await writeFile(conf, await supervisordConf(folder));
  const child = spawn("supervisord", ["-n", "-c", conf], { stdio: "ignore" });
  const stop = () => end(child);
  try {
    const address = await until(
      async () => {
        const log = await readFile(join(folder, "log", "web.log"), "utf8").catch(() => "");
        return /web\.listening\b.*?\b(http:\/\/[^\s"]+)/.exec(log)?.[1];
      },
      { what: "the web tier to listen", deadline },
    );
    return { address, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

/** A supervisord of the test's own that includes our file, with the paths of this folder and the account of this test. */
async function supervisordConf(folder: string): Promise<string> {
  const shipped = await readFile(join(repository, "supervisor", "galaxy.conf"), "utf8");
  const programs = shipped
    .replaceAll("/srv/galaxy/server/node_modules/.bin", join(repository, "node_modules", ".bin"))
    .replaceAll("/srv/galaxy", folder)
    .replaceAll(/^user .*$/gm, "")
    .replaceAll(/^startsecs .*$/gm, "startsecs = 1")
    .replaceAll(/^startretries .*$/gm, "startretries = 1");
  const isRoot = process.getuid?.() === 0;
  return `[supervisord]
logfile = ${folder}/supervisord.log
pidfile = ${folder}/supervisord.pid
childlogdir = ${folder}/log
${isRoot ? "user = root" : ""}
[unix_http_server]
file = ${folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://${folder}/supervisor.sock
${programs}`;
}
