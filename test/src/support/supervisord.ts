import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repository } from "./galaxy.ts";

/** A supervisord of the test's own that includes our file, with the paths of this folder and the account of this test. */
export async function supervisordConf(folder: string): Promise<string> {
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
