// `npm test`: installs, builds, lints, runs every test; ends with "N passed, N failed".
// Words after -- narrow the test files, e.g. `npm test -- tools`.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { runAllTests } from "./lanes.mjs";
import { bin, install, must, root, run } from "./toolchain.mjs";

rmSync(join(root, "test", "dist"), { recursive: true, force: true });
await install();
await must("Building", process.execPath, [join(root, "scripts", "build.mjs")]);
await must("Lint", bin("oxlint"), ["--type-aware", "--deny-warnings"]);
await must("Format check (npm run format mends it)", bin("oxfmt"), ["--check", "."]);

const areas = process.argv.slice(2);
if (areas.length === 0) process.exit(await runAllTests());
const mocha = join(root, "test", "node_modules", ".bin", "mocha");
const files = areas.map((area) => `dist/${area}/**/*.test.js`);
process.exit(await run(mocha, files, { cwd: join(root, "test") }));
