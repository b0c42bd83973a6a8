// What `.ci/run` runs: `npm test`; with the word `machines` also the suites that boot machines of their own, both at the same time. No
// test may be skipped; on a machine that cannot host others these suites are left out, and the reason is told. The last line is the sum:
// "N passed, N failed".
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./toolchain.mjs";

const result = /^(\d+) passed, (\d+) failed(?:, \d+ skipped)?$/gm;
const suites = ["scripts/test-systemd.mjs", "scripts/test-compose.mjs"];

const wantsMachines = process.argv.includes("machines");
const results = [await outcome("npm test", "npm", ["test"], {}, true)];
const lack = wantsMachines ? whatMachinesLack() : undefined;
if (wantsMachines && lack === undefined) {
  // They use what `npm test` has built.
  const parts = suites.map((suite) =>
    outcome(suite, process.execPath, [suite], { GALAXY_TEST_BUILT: "1" }, false),
  );
  results.push(...(await Promise.all(parts)));
}
for (const { name, counts, seconds } of results)
  console.log(`${name}: ${counts[0]} passed, ${counts[1]} failed, ${seconds} s`);
if (lack !== undefined)
  console.log(`left out: ${suites.join(" and ")}, since this machine cannot host others: ${lack}`);
const sum = (index) => results.reduce((total, { counts }) => total + counts[index], 0);
process.exitCode = results.every(({ code }) => code === 0) ? 0 : 1;
console.log(`${sum(0)} passed, ${sum(1)} failed`);

/** Runs a command in the repository. What it says is shown at once, or when it has ended. */
function outcome(name, command, words, env, isLive) {
  const began = performance.now();
  const child = spawn(command, words, {
    cwd: root,
    env: { ...process.env, GALAXY_TEST_NO_SKIPS: "1", ...env },
    stdio: ["ignore", "pipe", isLive ? "inherit" : "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (part) => {
      text += part;
      if (isLive) process.stdout.write(part);
    });
  return new Promise((resolve) => {
    const end = (code) => {
      if (!isLive) process.stdout.write(text);
      // Parts have such lines too; the last one is the sum.
      const found = [...text.matchAll(result)].at(-1);
      if (found === undefined) console.log(`${name} said no result, and ended with exit code ${code}`);
      const counts = found === undefined ? [0, 1] : [Number(found[1]), Number(found[2])];
      resolve({
        name,
        code: found === undefined ? 1 : code,
        counts,
        seconds: Math.round((performance.now() - began) / 1000),
      });
    };
    child.once("error", () => end(1));
    child.once("close", (code) => end(code ?? 1));
  });
}

/** Tries what the suites begin with. @returns what is missing, in words; undefined: nothing */
function whatMachinesLack() {
  if (process.getuid?.() !== 0) return "it takes root";
  const group = `galaxy-probe-${process.pid}`;
  const namespaces = ["--pid", "--fork", "--uts", "--ipc", "--net", "--mount", "--propagation", "private"];
  // The root of the booted machine is an overlay on a tmpfs.
  const overlay =
    "d=$(mktemp -d) && mount -t tmpfs tmpfs $d && mkdir $d/u $d/w $d/m && mount -t overlay overlay -o lowerdir=/,upperdir=$d/u,workdir=$d/w $d/m";
  const command = ["unshare", ...namespaces, "sh", "-c", overlay];
  const tried = spawnSync(join(root, "test", "machines", "in-own-cgroups.sh"), [group, ...command], {
    encoding: "utf8",
    timeout: 60_000,
  });
  spawnSync("find", ["/sys/fs/cgroup", "-depth", "-type", "d", "-name", group, "-exec", "rmdir", "{}", ";"]);
  if (tried.status === 0) return undefined;
  return (tried.stderr || String(tried.error ?? `exit code ${tried.status}`)).trim().split("\n").join("; ");
}
