import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { printTable, report, type Bench, type Report } from "./bench.ts";
import { endAll, endAllOnSignals, interruptedWith } from "./clean-up.ts";

const programs = ["web", "handler", "ctl"].map((name) =>
  fileURLToPath(new URL(`../../packages/${name}/dist/main.js`, import.meta.url)),
);
const missing = programs.find((program) => !existsSync(program));
if (missing !== undefined) {
  process.stderr.write(`${missing} is not there: build first (npm run build), or use npm run bench\n`);
  process.exit(2);
}
// Only now: it loads what was built.
const { benches } = await import("./benches.ts");

const asked = readArguments();
if (asked === undefined) {
  process.stderr.write(usage());
  process.exitCode = 2;
} else if (asked.help) {
  process.stdout.write(usage());
} else {
  endAllOnSignals();
  await runAll(asked.chosen, asked.options);
}

interface Asked {
  readonly help: boolean;
  readonly chosen: readonly Bench[];
  readonly options: Parameters<typeof report>[1];
}

/** @returns undefined when it cannot be understood; what is wrong is told then */
function readArguments(): Asked | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        deep: { type: "boolean", default: false },
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "10" },
        scale: { type: "string", default: "1" },
      },
    });
    const chosen = positionals.map((name) => {
      const found = benches.find((bench) => bench.name === name);
      if (found === undefined) throw new Error(`there is no bench ${JSON.stringify(name)}`);
      return found;
    });
    const options = {
      rounds: positive("rounds", values.rounds),
      seconds: positive("seconds", values.seconds),
      scale: positive("scale", values.scale),
      json: values.json,
      deep: values.deep,
    };
    if (options.rounds < 1) throw new Error("--rounds: give one at least");
    return { help: values.help, chosen: chosen.length === 0 ? benches : chosen, options };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return undefined;
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name}: ${JSON.stringify(text)} is not a number above 0`);
  return value;
}

/** One after the other, and for several one table at the end. */
async function runAll(wanted: readonly Bench[], options: Parameters<typeof report>[1]): Promise<void> {
  const done: [Bench, Report][] = [];
  try {
    for (const bench of wanted) {
      try {
        done.push([bench, await report(bench, options)]);
      } catch (error) {
        if (interruptedWith() !== undefined) break;
        // The others are worth having all the same.
        process.stderr.write(`${bench.name}: ${error instanceof Error ? error.stack : String(error)}\n`);
        process.exitCode = 1;
      }
      process.stdout.write("\n");
    }
    if (wanted.length > 1 && interruptedWith() === undefined)
      for (const [bench, results] of done) {
        process.stdout.write(`${bench.name}: ${bench.what}\n`);
        printTable(bench, results);
      }
  } finally {
    await endAll();
    const code = interruptedWith();
    if (code !== undefined) process.exit(code);
  }
}

function usage(): string {
  const lines = benches.map(({ name, what }) => `  ${name.padEnd(12)} ${what}\n`);
  return `npm run bench -- [NAME …] [--json] [--rounds N] [--seconds S] [--scale F] [--deep]
  Without a name: all, in turn. --scale multiplies numbers of jobs and rows; --deep measures what takes very long, too.
${lines.join("")}`;
}
