// `npm run pack -- FOLDER`: builds, and packs the packages as tarballs that `npm install --global ./FOLDER/*.tgz` installs.
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { must, root } from "./toolchain.mjs";

const folder = resolve(process.argv[2] ?? join(root, "packed"));
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

await must("Building", process.execPath, [join(root, "scripts", "build.mjs")]);
mkdirSync(folder, { recursive: true });
for (const name of ["shared-db", "runtime", "tools", "handler", "web", "ctl"])
  // pnpm writes the versions of our own packages where it says workspace:*.
  await must(`Packing ${name}`, "npx", ["--yes", packageManager, "pack", "--pack-destination", folder], {
    cwd: join(root, "packages", name),
    stdio: ["ignore", "ignore", "inherit"],
  });
console.log(`packed into ${folder}`);
