// A suite beside `npm test`: it needs root and namespaces, and starts what only a machine of its own should.
import { join } from "node:path";
import { must, root, run } from "./toolchain.mjs";

/**
 * Builds (unless GALAXY_TEST_BUILT says that it is done), runs test/src/AREA/*.suite.ts and ends this script with their exit code. A test
 * builds on those before it, so that the first failure ends the run. The last line is "N passed, N failed". Where a program or a
 * right is missing all is skipped, and the line before says which; GALAXY_TEST_NO_SKIPS makes that a failure.
 */
export async function runSuite(area) {
  if (process.env["GALAXY_TEST_BUILT"] === undefined)
    await must("Building", process.execPath, [join(root, "scripts", "build.mjs")]);
  const mocha = join(root, "test", "node_modules", ".bin", "mocha");
  const words = [
    "--no-config",
    "--reporter",
    "dist/support/reporter.js",
    "--forbid-only",
    "--bail",
    `dist/${area}/*.suite.js`,
  ];
  process.exit(await run(mocha, words, { cwd: join(root, "test") }));
}
