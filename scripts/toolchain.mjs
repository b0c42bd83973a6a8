// What the scripts of this folder share: they run on a fresh machine, so they use nothing but Node.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Runs a command in the repository; resolves to its exit code. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 1)));
  });
}

/** Runs a command and ends this script when it fails. */
export async function must(what, command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) {
    console.error(`${what} failed (exit code ${code}): ${command} ${args.join(" ")}`);
    process.exit(code);
  }
}

export const bin = (name) => join(root, "node_modules", ".bin", name);

/** Installs the dependencies the lock file names, with the pnpm that package.json names, unless they are there. */
export async function install() {
  checkNode();
  const stamp = join(root, "node_modules", ".modules.yaml");
  const lock = join(root, "node_modules", ".pnpm", "lock.yaml");
  const wanted = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  if (
    existsSync(stamp) &&
    existsSync(lock) &&
    readFileSync(lock, "utf8") === wanted &&
    existsSync(bin("tsc"))
  )
    return;
  console.log("Installing dependencies …");
  const quiet = ["--frozen-lockfile", "--reporter=append-only", "--loglevel=warn"];
  // CI=true: pnpm asks no questions.
  const env = { ...process.env, CI: "true" };
  await must("Installing dependencies", "npx", ["--yes", packageManager, "install", ...quiet], { env });
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(
      `galaxy-jobs needs Node 20.19 or newer; this is ${process.versions.node}. See https://nodejs.org`,
    );
    process.exit(1);
  }
}
