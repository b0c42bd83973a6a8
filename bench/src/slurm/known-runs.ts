import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { PreparedRun } from "@galaxy-jobs/handler";
import type { SlurmCluster } from "./slurm-cluster.ts";

/** What every job of the bench is submitted with: it needs next to nothing. */
const sbatch = ["sbatch", "--parsable", "--ntasks=1", "--time=1-0", "--output=/dev/null"];
/** Submissions at once, by whatever submits in parallel. */
export const parallel = 4;

/**
 * Jobs that a handler has with Slurm: some run, all others are held, so that the scheduler has nothing to do with them.
 * @returns their runs, as their directories tell them
 */
export async function makeKnownRuns(
  cluster: SlurmCluster,
  { known, running }: { readonly known: number; readonly running: number },
): Promise<PreparedRun[]> {
  const runs: PreparedRun[] = [];
  const started = await submitMany(cluster, running, ["--partition=main"], parallel);
  const held = await submitMany(cluster, known - running, ["--partition=main", "--hold"], parallel);
  for (const id of [...started, ...held]) {
    const run = await prepareRun(cluster.folder, runs.length + 1, "--partition=main");
    await writeFile(join(run.directory, "submission"), `submitted by process ${process.pid}\n`);
    await writeFile(join(run.directory, "slurm_job"), `${id}\n`);
    if (runs.length < running) await writeFile(join(run.directory, "begun.0"), `${id} ${hostname()}\n`);
    runs.push(run);
  }
  return runs;
}

let probes = 0;

/** Runs that wait to be submitted, and will then be held in the partition `probe`. */
export async function makeNewRuns(cluster: SlurmCluster, count: number): Promise<PreparedRun[]> {
  const runs: PreparedRun[] = [];
  for (let at = 0; at < count; at += 1)
    runs.push(await prepareRun(cluster.folder, 1_000_000 + (probes += 1), "--partition=probe --hold"));
  return runs;
}

async function prepareRun(folder: string, jobId: number, nativeSpecification: string): Promise<PreparedRun> {
  const directory = join(folder, "runs", String(Math.floor(jobId / 1000)).padStart(3, "0"), `${jobId}.1`);
  for (const name of ["working", "outputs"]) await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, `galaxy_${jobId}.sh`), "exec sleep 86400\n");
  const destination = {
    id: "slurm",
    runner: "slurm",
    tags: [],
    params: { nativeSpecification: `${nativeSpecification} --time=1-0` },
    env: [],
    resubmit: [],
  };
  return { jobId, runFence: 1, directory, destination, toolId: "noop" };
}

/** As somebody does without us: one sbatch after the other, or some at once. @returns the ids */
export async function submitMany(
  { env }: SlurmCluster,
  count: number,
  options: readonly string[],
  atOnce: number,
): Promise<string[]> {
  if (count <= 0) return [];
  const command = [...sbatch, ...options, "--wrap", "exec sleep 86400"];
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const script =
    atOnce === 1
      ? `i=0; while [ $i -lt ${count} ]; do ${quoted} || exit 1; i=$((i + 1)); done`
      : `seq ${count} | xargs -P${atOnce} -I_ ${quoted}`;
  const shell = spawn("/bin/sh", ["-c", script], { env, stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  shell.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(shell, "close")) as [number | null];
  const ids = Buffer.concat(chunks).toString().match(/^\d+$/gm) ?? [];
  if (code !== 0 || ids.length !== count) throw new Error(`sbatch gave ${ids.length} of ${count} jobs`);
  return ids;
}

/** Takes the jobs of a measurement out again. */
export async function cancelProbes(cluster: SlurmCluster): Promise<void> {
  await cluster.run("scancel", ["--me", "--quiet", "--partition=probe"]);
}
