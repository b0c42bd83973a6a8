import { writeFile } from "node:fs/promises";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { PreparedRun } from "@galaxy-jobs/handler";
import { againstThisRelease } from "../against.ts";
import { Absent, type Bench, type Extent, type Measures } from "../bench.ts";
import { startScript } from "../script.ts";
import { cancelProbes, makeKnownRuns, makeNewRuns, parallel, submitMany } from "./known-runs.ts";
import { startSlurm, type SlurmCluster } from "./slurm-cluster.ts";
import type { SlurmHandlerAnswer, SlurmHandlerAsk } from "./slurm-handler.ts";

const known = 10_000;
const running = 1_000;
/** Submissions of a round. */
const submissions = 1_000;

let shared: Promise<{ readonly cluster: SlurmCluster; readonly runs: readonly PreparedRun[] }> | undefined;

/** What jobs on a cluster cost a handler, and what it adds to the submission of one. */
export const slurmBench: Bench = {
  name: "slurm",
  what: `a real slurmctld that knows ${known} jobs of a handler, ${running} of them running: a tick of its watch, and submissions`,
  units: {
    submitted: "jobs/s",
    late: "ms that the handler's loop is late, p99",
    latest: "ms that the handler's loop is late, at most",
    "handler-cpu": "ms a tick",
    "squeue-cpu": "ms a tick",
    squeue: "ms a question",
    share: "% of a core",
  },
  reference: "a loop of sbatch",
  subjects: [
    { name: "a loop of sbatch", round: (_: number, extent: Extent) => plain(1, extent) },
    { name: `${parallel} sbatch at once`, round: (_: number, extent: Extent) => plain(parallel, extent) },
    { name: "our runner", round: (_: number, extent: Extent) => submit(extent) },
    { name: "our watch", round: (seconds: number, extent: Extent) => watch(seconds, extent) },
  ],
  async finish() {
    const made = await shared?.catch(() => undefined);
    shared = undefined;
    await made?.cluster.stop();
  },
  against: () => `${againstThisRelease()}; Slurm's daemons on this machine, ${parallel} submissions at once`,
};

/** Filled once: ten thousand submissions take minutes. */
function filled({ scale }: Extent): NonNullable<typeof shared> {
  shared ??= (async () => {
    const numbers = { known: Math.ceil(known * scale), running: Math.ceil(running * scale) };
    const cluster = await startSlurm(numbers.running);
    return { cluster, runs: await makeKnownRuns(cluster, numbers) };
  })();
  return shared;
}

function count({ scale }: Extent): number {
  return Math.max(10, Math.ceil(submissions * scale));
}

async function plain(atOnce: number, extent: Extent): Promise<Measures> {
  const { cluster } = await filled(extent);
  const began = performance.now();
  await submitMany(cluster, count(extent), ["--partition=probe", "--hold"], atOnce);
  const submitted = count(extent) / ((performance.now() - began) / 1000);
  await cancelProbes(cluster);
  return { submitted };
}

async function submit(extent: Extent): Promise<Measures> {
  const { cluster } = await filled(extent);
  const runs = await makeNewRuns(cluster, count(extent));
  const handler = await startHandler(cluster, process.env["PATH"] ?? "/usr/bin:/bin");
  try {
    handler.send({ kind: "submit", runs });
    const { seconds, late, latest } = await handler.next();
    return { submitted: runs.length / seconds, late: late!, latest: latest! };
  } finally {
    await handler.end();
    await cancelProbes(cluster);
  }
}

async function watch(seconds: number, extent: Extent): Promise<Measures> {
  const { cluster, runs } = await filled(extent);
  const { path, log } = await countingSqueue(cluster);
  const handler = await startHandler(cluster, path);
  try {
    handler.send({ kind: "watch", runs, seconds, log });
    const { ticks, own, commands, seconds: took } = await handler.next();
    if (ticks === undefined || ticks === 0) throw new Absent("no tick in that time: more --seconds");
    return {
      "handler-cpu": own! / ticks,
      "squeue-cpu": commands! / ticks,
      squeue: await questionTime(cluster),
      share: ((own! + commands!) / (took * 1000)) * 100,
    };
  } finally {
    await handler.end();
  }
}

async function startHandler({ env }: SlurmCluster, path: string) {
  const handler = startScript<SlurmHandlerAsk, SlurmHandlerAnswer>(
    new URL("./slurm-handler.js", import.meta.url),
  );
  handler.send({ kind: "start", conf: env["SLURM_CONF"]!, path, workers: parallel });
  await handler.next();
  return handler;
}

/** A squeue before the real one in PATH that writes a line for each call: a shell's start more for each tick. */
async function countingSqueue({ folder }: SlurmCluster): Promise<{ path: string; log: string }> {
  const bin = join(folder, "bin");
  const log = join(folder, `ticks-${performance.now()}`);
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "squeue"), `#!/bin/sh\necho >> '${log}'\nexec /usr/bin/squeue "$@"\n`, {
    mode: 0o755,
  });
  return { path: `${bin}:${process.env["PATH"] ?? "/usr/bin:/bin"}`, log };
}

/** Of squeue, from its start to its end, as a handler asks; ms. */
async function questionTime(cluster: SlurmCluster): Promise<number> {
  const began = performance.now();
  await cluster.run("squeue", ["--me", "--noheader", "--states=all", "--format=%i|%T|%R|%r"]);
  return performance.now() - began;
}
