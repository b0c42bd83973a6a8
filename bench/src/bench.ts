import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";

/** What is measured of a subject in one round, by the name of the measure. */
export type Measures = Readonly<Record<string, number>>;

export interface Subject {
  readonly name: string;
  /** Starts it, measures it, ends it. @throws Absent if this build or machine has not got it */
  round(seconds: number): Promise<Measures>;
}

export interface Bench {
  readonly name: string;
  readonly what: string;
  /** Unit of each measure. */
  readonly units: Readonly<Record<string, string>>;
  /** The subject that the others are compared with. */
  readonly reference: string;
  readonly subjects: readonly Subject[];
  /** Versions of what it runs against. */
  against(): string;
}

/** A subject that cannot be measured here: named in the report, and left out. */
export class Absent extends Error {
  override readonly name = "Absent";
}

interface Result {
  readonly median: number;
  readonly rounds: number[];
  readonly unit: string;
}

/**
 * Runs every subject once a round, so that a change of the machine's load meets all of them, and prints medians. With `json` the
 * last line is `{name, results: {"<subject> <measure>": {median, rounds, unit}}, ratios: {"<subject> <measure>": number}}`, the ratios
 * against the reference.
 */
export async function report(
  bench: Bench,
  options: { readonly rounds: number; readonly seconds: number; readonly json: boolean },
): Promise<void> {
  print(`${bench.name}: ${bench.what}`);
  print(`against ${bench.against()}`);
  print(machine());
  const found = new Map<string, number[]>();
  const absent = new Set<string>();
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const subject of bench.subjects) {
      if (absent.has(subject.name)) continue;
      const measures = await measure(subject, options.seconds);
      if (measures === undefined) {
        absent.add(subject.name);
        continue;
      }
      for (const [name, value] of Object.entries(measures)) {
        const key = `${subject.name} ${name}`;
        found.set(key, [...(found.get(key) ?? []), value]);
      }
      print(
        `round ${round}, ${subject.name}: ${Object.entries(measures)
          .map(([name, value]) => `${name} ${shown(value)} ${bench.units[name] ?? ""}`)
          .join(", ")}  (load ${loadavg()[0]!.toFixed(1)})`,
      );
    }
  }
  const results = summarize(bench, found);
  const ratios = compare(bench, results);
  for (const [key, { median, unit }] of Object.entries(results)) {
    const ratio = ratios[key];
    print(
      `${key.padEnd(40)} ${shown(median).padStart(10)} ${unit}${ratio === undefined ? "" : `  ${ratio.toFixed(2)} × ${bench.reference}`}`,
    );
  }
  if (options.json) print(JSON.stringify({ name: bench.name, results, ratios }));
}

async function measure(subject: Subject, seconds: number): Promise<Measures | undefined> {
  try {
    return await subject.round(seconds);
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    print(`${subject.name}: left out, ${error.message}`);
    return undefined;
  }
}

function summarize(bench: Bench, found: ReadonlyMap<string, number[]>): Record<string, Result> {
  const results: Record<string, Result> = {};
  for (const [key, rounds] of found) {
    const name = Object.keys(bench.units).find((measured) => key.endsWith(` ${measured}`));
    results[key] = { median: medianOf(rounds), rounds, unit: name === undefined ? "" : bench.units[name]! };
  }
  return results;
}

function compare(bench: Bench, results: Readonly<Record<string, Result>>): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const { name } of bench.subjects) {
    for (const measured of Object.keys(bench.units)) {
      const [own, reference] = [results[`${name} ${measured}`], results[`${bench.reference} ${measured}`]];
      if (name === bench.reference || own === undefined || reference === undefined) continue;
      if (reference.median !== 0) ratios[`${name} ${measured}`] = own.median / reference.median;
    }
  }
  return ratios;
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function machine(): string {
  const [cpu] = cpus();
  const gigabytes = Math.round(totalmem() / 1024 ** 3);
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim();
  return `on ${cpus().length} × ${cpu?.model.trim() ?? "?"}, ${gigabytes} GiB, Linux ${release()}, Node ${process.version}, ${limit} files, load ${loadavg()[0]!.toFixed(1)}`;
}

function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
