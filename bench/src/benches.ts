import type { Bench } from "./bench.ts";
import { contentionBench } from "./contention/contention-bench.ts";
import { depthBench } from "./depth/depth-bench.ts";
import { drainBench } from "./drain/drain-bench.ts";
import { drainXminBench } from "./drain-xmin/drain-xmin-bench.ts";
import { fairBench } from "./fair/fair-bench.ts";
import { latencyBench } from "./latency/latency-bench.ts";
import { limitsBench } from "./limits/limits-bench.ts";
import { localBench } from "./local/local-bench.ts";
import { memoryBench } from "./memory/memory-bench.ts";
import { slurmBench } from "./slurm/slurm-bench.ts";
import { watchBench } from "./watch/watch-bench.ts";
import { webBench } from "./web/web-bench.ts";

export const benches: readonly Bench[] = [
  drainBench,
  drainXminBench,

  latencyBench,
  contentionBench,
  depthBench,
  fairBench,
  localBench,
  memoryBench,
  watchBench,
  slurmBench,
  webBench,
  limitsBench,
];
