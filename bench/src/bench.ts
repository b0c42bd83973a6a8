import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { medianOf } from "./statistics.ts";

/** What is measured of a subject in one round, by the name of the measure. */
export type Measures = Readonly<Record<string, number>>;

/** How much is measured. */
export interface Extent {
  /** Of those benches that run for a time. */
  readonly seconds: number;
  /** What numbers of jobs and rows are multiplied with; 1 as a rule, less to see whether a bench works. */
  readonly scale: number;
  /** What takes very long is measured too. */
  readonly deep: boolean;
}

export interface Subject {
  readonly name: string;
  /** Starts it, measures it, ends it. @throws Absent if this build or machine has not got it */
  round(seconds: number, extent: Extent): Promise<Measures>;
}

export interface Bench {
  readonly name: string;
  readonly what: string;
  /** Unit of each measure. */
  readonly units: Readonly<Record<string, string>>;
  /** The subject that the others are compared with. */
  readonly reference: string;
  readonly subjects: readonly Subject[];
  /** What all rounds use; before the first. */
  prepare?(extent: Extent): Promise<void>;
  /** Takes away what `prepare` made. */
  finish?(): Promise<void>;
  /** Versions of what it runs against. */
  against(): string | Promise<string>;
}

/** A subject that cannot be measured here: named in the report, and left out. */
export class Absent extends Error {
  override readonly name = "Absent";
}

export interface Result {
  readonly median: number;
  readonly rounds: number[];
  readonly unit: string;
}

export interface Report {
  readonly name: string;
  /** By subject and measure. */
  readonly results: Readonly<Record<string, Result>>;
  readonly ratios: Readonly<Record<string, number>>;
}

/**
 * Runs every subject once a round, so that a change of the machine's load meets all of them, and prints medians. With `json` the
 * last line is `{name, results: {"<subject> <measure>": {median, rounds, unit}}, ratios: {"<subject> <measure>": number}}`, the ratios
 * against the reference.
 */
export async function report(
  bench: Bench,
  options: Extent & { readonly rounds: number; readonly json: boolean },
): Promise<Report> {
  print(`${bench.name}: ${bench.what}`);
  print(`against ${await bench.against()}`);
  print(machine());
  if (options.scale !== 1) print(`sizes × ${options.scale}: not the figures of the bench as it is meant`);
  await bench.prepare?.(options);
  const found = new Map<string, number[]>();
  const absent = new Set<string>();
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const subject of bench.subjects) {
      if (absent.has(subject.name)) continue;
      const measures = await measure(subject, options);
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
  await bench.finish?.();
  const results = summarize(bench, found);
  const done = { name: bench.name, results, ratios: compare(bench, results) };
  printTable(bench, done);
  if (options.json) print(JSON.stringify(done));
  return done;
}

/** One line for each measure of a subject: its median, and its ratio to the reference. */
export function printTable(bench: Bench, { results, ratios }: Report): void {
  for (const [key, { median, unit }] of Object.entries(results)) {
    const ratio = ratios[key];
    const compared = ratio === undefined ? "" : `  ${ratio.toFixed(2)} × ${bench.reference}`;
    print(`${key.padEnd(44)} ${shown(median).padStart(10)} ${unit}${compared}`);
  }
}

async function measure(subject: Subject, extent: Extent): Promise<Measures | undefined> {
  try {
    return await subject.round(extent.seconds, extent);
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
