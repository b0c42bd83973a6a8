// `npm start`: installs, builds, and runs the web tier and one handler; Ctrl-C stops both.
// Arguments after -- go to both programs, e.g. `npm start -- -c config/galaxy.yml`.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root, run } from "./toolchain.mjs";

const built = await run(process.execPath, [join(root, "scripts", "build.mjs")]);
if (built !== 0) process.exit(built);

const given = process.argv.slice(2);
const config = ["config/galaxy.yml", "config/galaxy.yml.sample"].find((file) => existsSync(join(root, file)));
const args = given.some((word) => word === "-c" || word.startsWith("--config-file"))
  ? given
  : ["-c", config, ...given];

const children = [];
let stopping = false;
let exitCode = 0;

start("web", "packages/web/bin/galaxy-web.js", args);
start("handler0", "packages/handler/bin/galaxy-handler.js", [
  ...args,
  "--server-name",
  "handler0",
  "--attach-to-pool",
  "job-handlers",
]);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop());

function start(name, program, programArgs) {
  // A group of its own: a Ctrl-C of the terminal reaches only this script, which tells each child once.
  const child = spawn(process.execPath, [join(root, program), ...programArgs], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      console.log(`${name.padEnd(8)} | ${line}`);
      announce(line);
    });
  }
  child.once("exit", (code, signal) => {
    children.splice(children.indexOf(child), 1);
    if (!stopping) {
      console.error(`${name} ended by itself (${signal ?? `exit code ${code}`}); stopping the rest`);
      exitCode = code ?? 1;
      stop();
    }
    if (children.length === 0) process.exit(exitCode);
  });
}

/** The second Ctrl-C hurries. */
function stop() {
  const signal = stopping ? "SIGKILL" : "SIGTERM";
  stopping = true;
  for (const child of children) child.kill(signal);
  if (children.length === 0) process.exit(exitCode);
}

function announce(line) {
  const address = /\bweb\.listening\b.*?\b(https?:\/\/[^\s"]+)/.exec(line)?.[1];
  if (address === undefined) return;
  console.log(`\ngalaxy-jobs is at ${address}\n`);
  console.log("Try it from another terminal:");
  console.log(
    `  curl -s ${address}/api/tools -H 'content-type: application/json' -d '{"tool_id":"sleep","inputs":{"seconds":3}}'\n`,
  );
}
