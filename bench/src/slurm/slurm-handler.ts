import { readFile } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { SlurmRunner, type PreparedRun } from "@galaxy-jobs/handler";
import { answer, onAsk } from "../script.ts";

/** A process that has a handler's Slurm runner and nothing else, so that its CPU time is the runner's. */
export type SlurmHandlerAsk =
  | { readonly kind: "start"; readonly conf: string; readonly path: string; readonly workers: number }
  | { readonly kind: "submit"; readonly runs: readonly PreparedRun[] }
  /** @param log where the counting squeue writes a line for each call */
  | {
      readonly kind: "watch";
      readonly runs: readonly PreparedRun[];
      readonly seconds: number;
      readonly log: string;
    };

export interface SlurmHandlerAnswer {
  /** Of what was asked for, s. */
  readonly seconds: number;
  readonly ticks?: number;
  /** ms of CPU: of this process, and of the commands that it ran. */
  readonly own?: number;
  readonly commands?: number;
  /** How late a timer of 1 ms was at most, and in all but a hundredth of the cases, while it submitted, ms. */
  readonly latest?: number;
  readonly late?: number;
}

/** As in the default configuration. */
const interval = 1_000;
/** An answer that is the first of its kind costs more than those that follow. */
const warmUp = 3;

let runner: SlurmRunner | undefined;

onAsk<SlurmHandlerAsk>(async (ask) => {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  switch (ask.kind) {
    case "start": {
      process.env["SLURM_CONF"] = ask.conf;
      process.env["PATH"] = ask.path;
      const config = { load: "slurm", workers: ask.workers, params: {}, env: [] };
      runner = new SlurmRunner("slurm", config, {
        interval,
        onTrouble: (error) => process.stderr.write(`slurm: ${String(error)}\n`),
      });
      return answer({ seconds: 0 } satisfies SlurmHandlerAnswer);
    }
    case "submit": {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      await Promise.all(
        ask.runs.map(async (run) => {
          const started = await runner!.start(run);
          // The start may return before a busy Slurm has answered; then its id is news.
          if (started.externalId === "")
            await new Promise<void>((resolve) => {
              started.queue?.follow(({ externalId }) => externalId !== "" && resolve());
            });
        }),
      );
      delay.disable();
      return answer({
        seconds: seconds(),
        latest: delay.max / 1e6,
        late: delay.percentile(99) / 1e6,
      } satisfies SlurmHandlerAnswer);
    }
    case "watch": {
      for (const run of ask.runs) {
        const recovered = await runner!.recover(run);
        if (recovered.found !== "running") throw new Error(`job ${run.jobId} was ${recovered.found}`);
      }
      while ((await ticksIn(ask.log)) < warmUp) await sleep(200);
      const before = [await ticksIn(ask.log), await cpuTimes()] as const;
      const from = performance.now();
      await sleep(ask.seconds * 1000);
      const after = [await ticksIn(ask.log), await cpuTimes()] as const;
      return answer({
        seconds: (performance.now() - from) / 1000,
        ticks: after[0] - before[0],
        own: after[1].own - before[1].own,
        commands: after[1].commands - before[1].commands,
      } satisfies SlurmHandlerAnswer);
    }
  }
});

async function ticksIn(log: string): Promise<number> {
  return (await readFile(log, "utf8").catch(() => "")).split("\n").length - 1;
}

/** User and system time of this process, and of its children that have ended, ms. */
async function cpuTimes(): Promise<{ own: number; commands: number }> {
  const stat = await readFile("/proc/self/stat", "utf8");
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const { user, system } = process.cpuUsage();
  // Fields 16 and 17 of the file, in ticks of 10 ms.
  return { own: (user + system) / 1000, commands: (fields[13]! + fields[14]!) * 10 };
}
