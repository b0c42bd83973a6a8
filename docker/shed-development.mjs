// The last step of the image's build: removes the packages that only building and testing needs. What the programs load is what is
// reachable from their package.json files; pnpm keeps each package once, linked from those that depend on it.
import { readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(dirname(new URL(import.meta.url).pathname));
const store = join(root, "node_modules", ".pnpm");
const kept = new Set();

for (const name of readdirSync(join(root, "packages"))) keepDependenciesOf(join(root, "packages", name));
for (const entry of readdirSync(store))
  if (entry.includes("@") && !kept.has(entry)) rmSync(join(store, entry), { recursive: true });
for (const folder of ["test", "bench"]) rmSync(join(root, folder), { recursive: true, force: true });

/** @param folder of a package, as it is on the disk */
function keepDependenciesOf(folder) {
  const {
    dependencies = {},
    optionalDependencies = {},
    peerDependencies = {},
  } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }))
    keep(name, folder);
}

function keep(name, dependant) {
  const found = folderOf(name, dependant);
  if (found === undefined || !found.startsWith(store)) return;
  const entry = found.slice(store.length + 1).split("/")[0];
  if (kept.has(entry)) return;
  kept.add(entry);
  keepDependenciesOf(found);
}

/** Where Node would find it; undefined: an optional one that is not installed. */
function folderOf(name, dependant) {
  for (let folder = dependant; folder.startsWith(root); folder = dirname(folder)) {
    try {
      return realpathSync(join(folder, "node_modules", name));
    } catch {
      // Further up, then.
    }
  }
  return undefined;
}
