// Removes what was built; not the dependencies, not the data.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./toolchain.mjs";

for (const name of ["shared-db", "runtime", "tools", "handler", "web", "ctl"]) {
  rmSync(join(root, "packages", name, "dist"), { recursive: true, force: true });
}
rmSync(join(root, "bench", "dist"), { recursive: true, force: true });
rmSync(join(root, "test", "dist"), { recursive: true, force: true });
