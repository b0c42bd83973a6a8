// Test files in two mocha processes at the same time: most of their time is waiting, for leases, daemons and clusters.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./toolchain.mjs";

const cwd = join(root, "test");
const mocha = join(cwd, "node_modules", ".bin", "mocha");
const lastLine = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m;

/** What a lane may take at most, ms: several times what it takes on a slow machine. */
const patience = 40 * 60_000;

/** The folders of the first lane; whatever else there is belongs to the second. */
const first = ["recovery", "runners", "runtime", "shared-db", "tidy", "tools"];

/** Runs all test files; resolves to the exit code. The last line it prints is "N passed, N failed". */
export async function runAllTests() {
  const areas = readdirSync(join(cwd, "dist"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  // A folder may have none: support, and suites that are started by commands of their own.
  const withTests = areas.filter((area) =>
    readdirSync(join(cwd, "dist", area)).some((f) => f.endsWith(".test.js")),
  );
  const lanes = [
    withTests.filter((area) => first.includes(area)),
    withTests.filter((area) => !first.includes(area)),
  ].map((own) => startLane(own.map((area) => `dist/${area}/**/*.test.js`)));
  const ends = [];
  for (const lane of lanes) ends.push(await lane.print());
  const sum = (index) => ends.reduce((total, { counts }) => total + counts[index], 0);
  const skipped = sum(2) > 0 ? `, ${sum(2)} skipped` : "";
  console.log(`${sum(0)} passed, ${sum(1)} failed${skipped}`);
  return ends.every(({ code }) => code === 0) ? 0 : 1;
}

function startLane(files) {
  const color = process.stdout.isTTY === true ? { FORCE_COLOR: "1" } : {};
  const child = spawn(mocha, files, {
    cwd,
    env: { ...process.env, ...color },
    stdio: ["inherit", "pipe", "inherit"],
  });
  let text = "";
  let shown = 0;
  let printing = false;
  child.stdout.setEncoding("utf8").on("data", (part) => {
    text += part;
    if (printing) show();
  });
  const timer = setTimeout(() => {
    text += `\nthese tests are ended, since they take more than ${patience / 60_000} minutes\n`;
    child.kill("SIGKILL");
    // Whatever it has started may hold its output open.
    child.stdout.destroy();
  }, patience);
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 1, why: String(error) }));
    child.once("close", (code, signal) =>
      resolve({ code: code ?? 1, why: `it ended with ${signal ?? code}` }),
    );
  });
  const show = () => {
    process.stdout.write(text.slice(shown));
    shown = text.length;
  };
  return {
    /** Prints what it says, from the start to the end. */
    async print() {
      printing = true;
      show();
      const { code, why } = await ended;
      clearTimeout(timer);
      show();
      const found = lastLine.exec(text.slice(-1000));
      if (found === null) console.log(`a test process said no result: ${why}`);
      const counts = found === null ? [0, 1, 0] : found.slice(1).map((count) => Number(count ?? 0));
      return { code, counts };
    },
  };
}
