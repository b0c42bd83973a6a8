// `npm run bench -- NAME [--json] [--rounds N]`: builds, then measures. Without a name: the list of benches.
import { join } from "node:path";
import { must, root, run } from "./toolchain.mjs";

await must("Building", process.execPath, [join(root, "scripts", "build.mjs")]);
process.exit(await run(process.execPath, [join(root, "bench", "dist", "main.js"), ...process.argv.slice(2)]));
