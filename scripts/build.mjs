// Compiles the packages, and bundles the page when something of it changed. Words after it choose what is compiled, e.g.
// `node scripts/build.mjs packages/web packages/ctl`: these and what they need.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { bin, install, must, root } from "./toolchain.mjs";

await install();
await must("Compiling", bin("tsc"), ["-b", ...process.argv.slice(2)]);
await buildPage();

async function buildPage() {
  const web = join(root, "packages", "web");
  const stamp = join(web, "dist", "ui.sha256");
  const digest = digestOf([join(web, "ui"), join(web, "vite.config.ts"), join(root, "pnpm-lock.yaml")]);
  const built = existsSync(join(web, "dist", "ui", "index.html"));
  if (built && existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return;
  await must("Checking the page's types", bin("tsc"), ["-p", join(web, "ui")]);
  await must(
    "Bundling the page",
    join(web, "node_modules", ".bin", "vite"),
    ["build", "--logLevel", "warn"],
    { cwd: web },
  );
  writeFileSync(stamp, digest);
}

function digestOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap(filesOf).sort())
    hash.update(relative(root, path)).update(readFileSync(path));
  return hash.digest("hex");
}

function filesOf(path) {
  if (!existsSync(path)) return [];
  const entries = (() => {
    try {
      return readdirSync(path, { withFileTypes: true });
    } catch {
      return undefined;
    }
  })();
  if (entries === undefined) return [path];
  return entries
    .filter(({ name }) => name !== "node_modules")
    .flatMap(({ name }) => filesOf(join(path, name)));
}
