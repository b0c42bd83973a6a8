import { parseArgs } from "node:util";
import { report, type Bench } from "./bench.ts";
import { drainBench } from "./drain/drain-bench.ts";
import { limitsBench } from "./limits/limits-bench.ts";
import { webBench } from "./web/web-bench.ts";

const benches: readonly Bench[] = [webBench, limitsBench, drainBench];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean" }, rounds: { type: "string" }, seconds: { type: "string" } },
});
const bench = benches.find(({ name }) => name === positionals[0]);
const rounds = Number(values.rounds ?? 3);
const seconds = Number(values.seconds ?? 10);
if (bench === undefined || !(rounds >= 1) || !(seconds >= 1)) {
  process.stderr.write("npm run bench -- NAME [--json] [--rounds N] [--seconds S]\n");
  for (const { name, what } of benches) process.stderr.write(`  ${name.padEnd(10)} ${what}\n`);
  process.exitCode = 2;
} else {
  await report(bench, { rounds, seconds, json: values.json === true });
}
